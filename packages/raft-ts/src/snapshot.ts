/**
 * Receiving snapshots, and what the driver reports about snapshots that it sent.
 */
import { appliedTo } from './commit.ts';
import type { Core } from './core.ts';
import { RaftError, assert } from './errors.ts';
import { adopt, trackerOf } from './reconfigure.ts';
import type { ConfState, Message, NodeId, Snapshot } from './types.ts';

/** Follower: replaces the log by a snapshot, or says how far its own log reaches. */
export function handleSnapshot(core: Core, message: Message): void {
  const { snapshot } = message;
  assert(snapshot !== undefined, 'a checked MsgSnap carries a snapshot');
  const restored = restore(core, snapshot);
  const index = restored ? core.log.lastIndex() : core.log.committed;
  core.send({ type: 'MsgAppResp', to: message.from, index });
}

function restore(core: Core, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  if (index <= core.log.committed) {
    core.emit({ kind: 'snapshot-ignored', index, commit: core.log.committed });
    return false;
  }
  assert(core.role === 'StateFollower', 'only a follower takes snapshots');
  checkMembership(core, snapshot);
  // This node need not be a member in the snapshot: it may have been added since, which the entries
  // that follow will tell, or it may have been removed, which it is good to know.
  if (core.config.snapshotsForMembersOnly && !isListed(confState, core.id)) {
    core.emit({ kind: 'snapshot-ignored', index, commit: core.log.committed });
    return false;
  }
  if (core.log.matchesTerm(index, term)) {
    // The log already holds the entry that the snapshot ends with: everything up to it is decided.
    core.log.commitTo(index);
    core.emit({ kind: 'snapshot-ignored', index, commit: index });
    return false;
  }
  core.log.restore(snapshot);
  adopt(core, trackerOf(core, confState));
  core.progressOf(core.id)?.maybeUpdate(index);
  core.emit({ kind: 'snapshot-restored', index, term });
  return true;
}

function checkMembership(core: Core, snapshot: Snapshot): void {
  const { confState } = snapshot.metadata;
  try {
    if (confState.voters.length === 0) {
      throw new RaftError('RAFT_CONF_CHANGE_INVALID', 'a snapshot without voters');
    }
    trackerOf(core, confState);
  } catch (cause) {
    throw new RaftError(
      'RAFT_MESSAGE_INVALID',
      'snapshot has an impossible membership',
      { type: 'MsgSnap' },
      cause,
    );
  }
}

function isListed(confState: ConfState, id: NodeId): boolean {
  const { voters, votersOutgoing, learners } = confState;
  return [voters, votersOutgoing, learners].some((ids) => ids.includes(id));
}

/** Notes that a received snapshot is durable and in use. */
export function snapshotApplied(core: Core, snapshot: Snapshot): void {
  const { index } = snapshot.metadata;
  core.log.unstable.stableSnapshotTo(index);
  appliedTo(core, index, 0);
}

/** Leader: the driver knows whether a snapshot reached the member. */
export function reportSnapshot(core: Core, id: NodeId, ok: boolean): void {
  const progress = core.progressOf(id);
  if (core.role !== 'StateLeader' || progress?.state !== 'StateSnapshot') return;
  if (!ok) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Wait for the acknowledgement of a success, and for a heartbeat round after a failure.
  progress.appendPaused = true;
}

/** Leader: appends in flight to the member were probably lost. */
export function reportUnreachable(core: Core, id: NodeId): void {
  if (core.role !== 'StateLeader') return;
  const progress = core.progressOf(id);
  if (progress?.state === 'StateReplicate') progress.becomeProbe();
}
