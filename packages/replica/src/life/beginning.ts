/** What a replica's part in a cluster starts from. */
import { StateMachine } from '@witan/state-machine';
import { BOOTSTRAP_INDEX, type Bootstrap } from '../raft/engine-storage.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { openState, type ClusterState } from './cluster-state.ts';

/** The state that a replica takes part with from the start. */
export function beginning<ReferenceValues>(
  options: ClusterOptions<ReferenceValues>,
): StateMachine<ReferenceValues> {
  const { clusterId, epoch, slots, founders, self, state, machine } = options;
  if (state !== undefined) return openState(state, options);
  // A newcomer holds a placeholder until the leader's snapshot replaces it.
  const appliedIndex = founders === undefined ? 0 : BOOTSTRAP_INDEX;
  const founded = { clusterId, epoch, slots, members: founders ?? [self], appliedIndex };
  return StateMachine.genesis(founded, { ...machine, crypto: options.crypto });
}

/** What the first voters of an epoch put in front of their logs; a newcomer has nothing of it. */
export function bootstrapOf<ReferenceValues>(
  { founders, state: given }: Pick<ClusterOptions<ReferenceValues>, 'founders' | 'state'>,
  state: Pick<ClusterState<ReferenceValues>, 'machine' | 'snapshot'>,
): Bootstrap | undefined {
  if (founders === undefined) return undefined;
  const voters = founders.map((peer) => peer.nodeId).toSorted((a, b) => a - b);
  return {
    configuration: { voters, votersOutgoing: [], learners: [] },
    snapshot: given ?? state.snapshot(),
    index: state.machine.appliedIndex,
  };
}
