/** What a replica's part in a cluster starts from. */
import { StateMachine } from '@witan/state-machine';
import { BOOTSTRAP_INDEX } from '../raft/engine-storage.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { openState } from './cluster-state.ts';

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
