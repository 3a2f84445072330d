/**
 * Advancing the commit index, and what follows from entries having been applied.
 */
import type { Core } from './core.ts';
import { appendOwn, shrinkUncommitted } from './own-entries.ts';
import { jointCommittedIndex } from './quorum/joint.ts';
import { broadcastAppend } from './send-append.ts';
import { encodeConfChangeV2 } from './codec.ts';
import { trace } from './trace.ts';
import { LEAVE_JOINT } from './membership/conf-change.ts';
import { NO_NODE, entriesSizeBytes, payloadSizeBytes, type Entry, type Index } from './types.ts';

/**
 * Commits what a quorum holds, if it is an entry of this term: an older one could still be
 * replaced (Raft paper, section 5.4.2 and figure 8).
 * @returns whether the commit index advanced
 */
export function maybeCommit(core: Core): boolean {
  const advanced = commitQuorum(core);
  trace(core, 'Commit');
  return advanced;
}

function commitQuorum(core: Core): boolean {
  const { membership, progress } = core.tracker;
  const index = jointCommittedIndex(membership.voters, (id) => progress.get(id)?.match);
  if (index <= core.log.committed) return false;
  if (!core.log.matchesTerm(index, core.term)) return false;
  core.log.commitTo(index);
  return true;
}

/** Whether the leader has committed an entry of its own term, so that its commit is current. */
export function hasCommittedInTerm(core: Core): boolean {
  return core.log.matchesTerm(core.log.committed, core.term);
}

/** Notes that the application has applied these entries. */
export function entriesApplied(core: Core, entries: readonly Entry[]): void {
  const last = entries.at(-1);
  if (last === undefined) return;
  appliedTo(core, last.index, entriesSizeBytes(entries));
  shrinkUncommitted(core, payloadSizeBytes(entries));
}

/** Notes that state up to `index` is applied, and leaves a joint configuration if that is due. */
export function appliedTo(core: Core, index: Index, bytes: number): void {
  core.log.appliedTo(Math.max(index, core.log.applied), bytes);
  maybeLeaveJoint(core);
}

/**
 * Once the entry that entered the joint configuration is applied, the leader proposes to leave it.
 * During a transfer of leadership the next leader does so.
 */
function maybeLeaveJoint(core: Core): void {
  if (core.role !== 'StateLeader' || !core.tracker.membership.autoLeave) return;
  if (core.log.applied < core.pendingConfIndex) return;
  if (core.leadTransferee !== NO_NODE || core.progressOf(core.id) === undefined) return;
  core.pendingConfIndex = core.log.lastIndex() + 1;
  appendOwn(core, [{ type: 'EntryConfChangeV2', data: encodeConfChangeV2(LEAVE_JOINT) }]);
  broadcastAppend(core);
}
