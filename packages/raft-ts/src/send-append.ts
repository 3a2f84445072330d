/**
 * A leader's outgoing appends, snapshots and heartbeats, within each member's flow control.
 */
import type { Core } from './core.ts';
import { RaftError, assert } from './errors.ts';
import type { Progress } from './progress/progress.ts';
import {
  entriesSizeBytes,
  isEmptySnapshot,
  NO_BYTES,
  type NodeId,
  type Snapshot,
} from './types.ts';

/** Sends an append, empty if there is nothing new, unless the member is paused. */
export function sendAppend(core: Core, to: NodeId): void {
  maybeSendAppend(core, to, true);
}

/**
 * Sends an append or, if the entries it needs are gone, a snapshot.
 * @param evenIfEmpty an empty append still carries the commit index and probes the match
 * @returns whether anything was sent
 */
export function maybeSendAppend(core: Core, to: NodeId, evenIfEmpty: boolean): boolean {
  const progress = core.progressOf(to);
  assert(progress !== undefined, 'appends go to members');
  if (progress.isPaused()) return false;
  const index = progress.next - 1;
  const logTerm = core.log.term(index);
  if (logTerm === undefined) return maybeSendSnapshot(core, to, progress);
  // With a full window only an empty append may go: it lets a member that lost the whole window
  // reject, which is the only way out if every message in flight was dropped.
  const full = progress.state === 'StateReplicate' && progress.inflights.isFull();
  const entries = full
    ? []
    : core.log.entriesFrom(progress.next, core.config.maxSizePerMessageBytes);
  if (entries === undefined) return maybeSendSnapshot(core, to, progress);
  if (entries.length === 0 && !evenIfEmpty) return false;
  const commit = core.log.committed;
  core.send({ type: 'MsgApp', to, index, logTerm, entries, commit });
  progress.sentEntries(entries.length, entriesSizeBytes(entries));
  progress.sentCommit(commit);
  return true;
}

/** Sends an append to every other member, in ascending order; with `coalesceAppends` later. */
export function broadcastAppend(core: Core): void {
  if (core.config.coalesceAppends) {
    core.appendsDue = true;
    return;
  }
  for (const id of core.tracker.progress.keys()) if (id !== core.id) sendAppend(core, id);
}

/** Sends each member the entries that it lacks, if anything was put off. */
export function sendDueAppends(core: Core): void {
  if (!core.appendsDue) return;
  core.appendsDue = false;
  if (core.role !== 'StateLeader') return;
  for (const id of core.tracker.progress.keys()) {
    if (id === core.id) continue;
    while (maybeSendAppend(core, id, false));
  }
}

/** Tells every member the commit index that does not know it yet. */
export function announceCommit(core: Core): void {
  if (core.role !== 'StateLeader') return;
  for (const [id, progress] of core.tracker.progress) {
    if (id !== core.id && progress.canBumpCommit(core.log.committed)) sendAppend(core, id);
  }
}

function maybeSendSnapshot(core: Core, to: NodeId, progress: Progress): boolean {
  // Nobody would take it, and its state would then have to be timed out.
  if (!progress.recentActive) return false;
  const snapshot = readSnapshot(core);
  if (snapshot === undefined || isEmptySnapshot(snapshot)) return false;
  const { index } = snapshot.metadata;
  progress.becomeSnapshot(index);
  core.send({ type: 'MsgSnap', to, snapshot });
  core.emit({ kind: 'snapshot-sent', to, index });
  return true;
}

function readSnapshot(core: Core): Snapshot | undefined {
  try {
    return core.log.snapshot();
  } catch (error) {
    const later =
      error instanceof RaftError && error.code === 'RAFT_SNAPSHOT_TEMPORARILY_UNAVAILABLE';
    if (later) return undefined;
    throw error;
  }
}

/** Sends a heartbeat to every other member, with the newest read that waits to be confirmed. */
export function broadcastHeartbeat(core: Core): void {
  const context = core.config.readOnly === 'safe' ? core.reads.heartbeatContext() : NO_BYTES;
  for (const [to, progress] of core.tracker.progress) {
    if (to === core.id) continue;
    // Never beyond the match: the member's log may differ from there on (Raft paper, section 5.3).
    const commit = Math.min(progress.match, core.log.committed);
    core.send({ type: 'MsgHeartbeat', to, commit, context });
    progress.sentCommit(commit);
  }
}
