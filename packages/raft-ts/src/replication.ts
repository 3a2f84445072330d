/**
 * Replication: a leader's handling of acknowledgements, and a follower's handling of appends and
 * heartbeats (Raft paper, section 5.3).
 */
import { maybeCommit } from './commit.ts';
import type { Core } from './core.ts';
import { RaftError } from './errors.ts';
import type { Progress } from './progress/progress.ts';
import { releaseConfirmed, releasePostponed } from './read-index.ts';
import { broadcastAppend, maybeSendAppend, sendAppend } from './send-append.ts';
import { continueTransfer } from './transfer.ts';
import type { Message } from './types.ts';

/** Follower: takes entries, or says where the logs may still agree. */
export function handleAppend(core: Core, message: Message): void {
  const { from: to, index, logTerm } = message;
  if (index < core.log.committed) {
    core.send({ type: 'MsgAppResp', to, index: core.log.committed });
    return;
  }
  const prev = { index, term: logTerm };
  const lastAgreed = core.log.maybeAppend(prev, message.entries, message.commit);
  if (lastAgreed !== undefined) {
    core.send({ type: 'MsgAppResp', to, index: lastAgreed });
    return;
  }
  // Skip every own entry with a term above the leader's at that point: none of them can match.
  const start = Math.min(index, core.log.lastIndex());
  const hint = core.log.findConflictByTerm(start, logTerm);
  core.emit({ kind: 'append-rejected', index, hint: hint.index });
  core.send({
    type: 'MsgAppResp',
    to,
    index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  });
}

/** Follower: learns the commit index, as far as the leader knows this log to match. */
export function handleHeartbeat(core: Core, message: Message): void {
  core.log.commitTo(message.commit);
  core.send({ type: 'MsgHeartbeatResp', to: message.from, context: message.context });
}

/**
 * Leader: takes an acknowledgement or a rejection.
 * @throws RaftError RAFT_MESSAGE_INVALID for an acknowledgement of entries that do not exist
 */
export function handleAppendResponse(core: Core, message: Message, progress: Progress): void {
  if (!message.reject && message.index > core.log.lastIndex()) {
    throw new RaftError('RAFT_MESSAGE_INVALID', 'acknowledged index is beyond the log', {
      type: message.type,
      index: message.index,
      lastIndex: core.log.lastIndex(),
    });
  }
  progress.recentActive = true;
  if (message.reject) handleRejection(core, message, progress);
  else handleAcknowledgement(core, message, progress);
}

function handleRejection(core: Core, message: Message, progress: Progress): void {
  let nextProbe = message.rejectHint;
  // Skip every own entry with a term above the follower's at the hint: none of them can match.
  if (message.logTerm > 0) {
    nextProbe = core.log.findConflictByTerm(
      Math.min(message.rejectHint, core.log.lastIndex()),
      message.logTerm,
    ).index;
  }
  if (!progress.maybeDecrease(message.index, nextProbe)) return;
  if (progress.state === 'StateReplicate') progress.becomeProbe();
  sendAppend(core, message.from);
}

function handleAcknowledgement(core: Core, message: Message, progress: Progress): void {
  const { from, index } = message;
  const probeConfirmed = progress.match === index && progress.state === 'StateProbe';
  if (!progress.maybeUpdate(index) && !probeConfirmed) return;
  advanceState(core, index, progress);
  if (maybeCommit(core)) {
    releasePostponed(core);
    broadcastAppend(core);
  } else if (from !== core.id && progress.canBumpCommit(core.log.committed)) {
    if (!core.config.coalesceAppends) sendAppend(core, from);
  }
  if (from === core.id) return;
  // The window may have room again for several messages.
  if (core.config.coalesceAppends) core.appendsDue = true;
  else while (maybeSendAppend(core, from, false));
  continueTransfer(core, from);
}

function advanceState(core: Core, index: number, progress: Progress): void {
  switch (progress.state) {
    case 'StateProbe':
      progress.becomeReplicate();
      return;
    case 'StateSnapshot':
      // Any snapshot that connects to our log will do, not only the one that we sent.
      if (progress.match + 1 < core.log.firstIndex()) return;
      progress.becomeProbe();
      progress.becomeReplicate();
      return;
    case 'StateReplicate':
      progress.inflights.freeUpTo(index);
  }
}

/** Leader: the member is alive; resume what was paused, and confirm reads. */
export function handleHeartbeatResponse(core: Core, message: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.appendPaused = false;
  const behind = progress.match < core.log.lastIndex();
  if (behind || progress.state === 'StateProbe') sendAppend(core, message.from);
  if (core.config.readOnly !== 'safe' || message.context.byteLength === 0) return;
  if (!core.reads.acknowledge(message.from, message.context)) {
    throw new RaftError('RAFT_MESSAGE_INVALID', 'heartbeat response echoes an unknown context', {
      type: message.type,
    });
  }
  releaseConfirmed(core);
}
