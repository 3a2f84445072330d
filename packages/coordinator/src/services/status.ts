/** This replica's own view of itself and its cluster; no quorum confirms it but for its mark. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { fromHex } from '@witan/core';
import { GetStatusResponse_Phase, type GetStatusResponseSchema } from '@witan/protocol';
import type { Phase, RecoveryProgress, Replica } from '@witan/replica';
import type { ReferenceValues } from '@witan/attestation';
import { isSimulated } from '../operations.ts';
import { memberToWire } from '../peers/wire.ts';
import type { BestMark, ServiceContext } from './context.ts';
import { explainProgress, progressToWire } from './recovery-progress.ts';

const PHASES: Readonly<Record<Phase, GetStatusResponse_Phase>> = {
  discovering: GetStatusResponse_Phase.DISCOVERING,
  founded: GetStatusResponse_Phase.FOUNDED,
  joining: GetStatusResponse_Phase.JOINING,
  serving: GetStatusResponse_Phase.SERVING,
  sealed: GetStatusResponse_Phase.SEALED,
  removed: GetStatusResponse_Phase.REMOVED,
  stopped: GetStatusResponse_Phase.REMOVED,
};

/** A member counts as reachable when it was heard within this time. */
const REACHABLE_MS = 1_000;

export function statusOf(
  context: ServiceContext,
  mark: BestMark | undefined,
): MessageInitShape<typeof GetStatusResponseSchema> {
  const { replica } = context;
  setGauges(context);
  const standing = replica.standing();
  const recovery = replica.recoveryProgress();
  const base = {
    ...(recovery === undefined ? {} : { recovery: progressToWire(recovery) }),
    slot: context.slot,
    phase: PHASES[replica.phase()],
    explanation: explain(replica, recovery),
    nodeId: BigInt(standing.self.nodeId),
    incarnation: fromHex(standing.self.incarnation),
    slots: [...(replica.cluster?.slots ?? standing.slots)],
    version: context.version,
    ...mark,
    simulated: context.simulatedSelf,
    counters: Object.fromEntries(
      Object.entries(context.counters.snapshot()).map(([name, value]) => [name, BigInt(value)]),
    ),
  };
  const { cluster } = replica;
  if (cluster === undefined) return base;
  const status = cluster.status();
  const view = cluster.state.machine;
  const nowMs = performance.now();
  return {
    ...base,
    clusterId: fromHex(cluster.clusterId),
    epoch: BigInt(cluster.epoch),
    term: BigInt(status.term),
    leaderId: BigInt(status.leaderId),
    commitIndex: BigInt(status.commitIndex),
    appliedIndex: BigInt(status.appliedIndex),
    generation: BigInt(view.generation),
    issuedIdentities: BigInt(view.issuedCount),
    simulated: context.simulatedSelf || (view.manifest !== undefined && isSimulated(view.manifest)),
    members: cluster.members().map((member) => {
      const progress = status.progress.get(member.nodeId);
      const isSelf = member.nodeId === status.nodeId;
      return {
        member: memberToWire(member),
        voter: status.configuration.voters.includes(member.nodeId),
        leader: member.nodeId === status.leaderId,
        reachable: isSelf || nowMs - (progress?.lastHeardMs ?? -Infinity) < REACHABLE_MS,
        matchIndex: BigInt(isSelf ? status.appliedIndex : (progress?.matchIndex ?? 0)),
      };
    }),
  };
}

/** Values of now, beside the counters (docs/telemetry.md). */
function setGauges({ replica, counters }: ServiceContext): void {
  const { cluster } = replica;
  if (cluster === undefined) return;
  const status = cluster.status();
  counters.set('term', status.term);
  counters.set('commit_index', status.commitIndex);
  counters.set('applied_index', status.appliedIndex);
  counters.set('leader', status.role === 'leader' ? 1 : 0);
  counters.set('members', status.configuration.voters.length);
  counters.set('generation', cluster.generation);
  counters.set('epoch', cluster.epoch);
  counters.set('reused_index', cluster.reusedIndex);
}

/** One sentence for people, with the next step where there is one. */
function explain(
  replica: Replica<ReferenceValues>,
  recovery: RecoveryProgress | undefined,
): string {
  const phase = replica.phase();
  const slots = replica.waiting?.slots.join(', ') ?? '';
  switch (phase) {
    case 'discovering':
      return explainWaiting(replica.waiting?.code, slots);
    case 'founded':
      return 'The cluster is founded and has no manifest: set one with `witan set`.';
    case 'joining':
      return 'Let in as a learner; it votes once it has caught up.';
    case 'serving':
      return replica.cluster?.status().leaderId === 0
        ? 'No leader is known: a majority of the voters must be reachable.'
        : 'Serving.';
    case 'sealed':
      if (recovery !== undefined) return explainProgress(recovery);
      return `Sealed state is on disk (${slots}) and no cluster lives: owners must recover it.`;
    case 'removed':
      return 'Replaced by a later incarnation of this slot; this process stops.';
    case 'stopped':
      return 'Stopping.';
    default:
      return phase satisfies never;
  }
}

function explainWaiting(code: string | undefined, slots: string): string {
  switch (code) {
    case 'SLOTS_MISSING':
      return `Waiting for ${slots}: a cluster is founded only when all slots answer.`;
    case 'SLOTS_DIFFER':
      return `${slots} have other slot names in their measured configuration.`;
    case 'FOUNDER_ACTS':
      return 'All slots answer; the first by name founds the cluster.';
    case 'ELECTION_PENDING':
      return 'A cluster is there and elects its leader.';
    case 'STATE_PENDING':
      return 'Let in; the state of the cluster has not come yet.';
    default:
      return 'Looking for the other slots.';
  }
}
