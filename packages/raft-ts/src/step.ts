/**
 * The entrance for messages: first the terms (Raft paper, section 5.1), then the role.
 */
import { bytesEqual } from './bytes.ts';
import { checkMessage } from './check-message.ts';
import { commitHint } from './commit-hint.ts';
import { entriesApplied } from './commit.ts';
import type { Core } from './core.ts';
import {
  TRANSFER_CONTEXT,
  handleVoteRequest,
  handleVoteResponse,
  startCampaign,
} from './election.ts';
import { handleProposal } from './proposal.ts';
import { handleReadIndex, handleReadIndexResponse } from './read-index.ts';
import {
  handleAppend,
  handleAppendResponse,
  handleHeartbeat,
  handleHeartbeatResponse,
} from './replication.ts';
import { becomeFollower } from './roles.ts';
import { handleSnapshot, snapshotApplied } from './snapshot.ts';
import { traceMessage } from './trace.ts';
import { transferLeader } from './transfer.ts';
import { NO_NODE, type Message } from './types.ts';

/**
 * Takes a message from a peer or from a storage thread.
 * @throws RaftError RAFT_LOCAL_MESSAGE, RAFT_PEER_NOT_FOUND, RAFT_MESSAGE_INVALID,
 *   RAFT_PROPOSAL_DROPPED, RAFT_CODEC_… (proposed change)
 */
export function step(core: Core, message: Message): void {
  checkMessage(core, message);
  stepChecked(core, message);
}

/** The same for messages that this node made itself. */
export function stepChecked(core: Core, message: Message): void {
  traceMessage(core, 'Receive', message);
  if (message.term > core.term) {
    if (!admitHigherTerm(core, message)) return;
  } else if (message.term !== 0 && message.term < core.term) {
    return handleLowerTerm(core, message);
  }
  stepByType(core, message);
}

/** Moves to the message's term where it has one that counts. @returns whether to go on */
function admitHigherTerm(core: Core, message: Message): boolean {
  switch (message.type) {
    case 'MsgVote':
    case 'MsgPreVote': {
      const ordered = bytesEqual(message.context, TRANSFER_CONTEXT);
      if (!ordered && isInLease(core)) {
        // A member that was cut off must not depose a leader that works (thesis, section 4.2.3).
        core.ignore(message, 'leader-lease');
        return false;
      }
      if (message.type === 'MsgVote') becomeFollower(core, message.term, NO_NODE);
      return true;
    }
    case 'MsgPreVoteResp':
      // A grant carries the term that we asked about; a rejection that of a node ahead of us.
      if (message.reject) becomeFollower(core, message.term, NO_NODE);
      return true;
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      becomeFollower(core, message.term, message.from);
      return true;
    default:
      becomeFollower(core, message.term, NO_NODE);
      return true;
  }
}

function isInLease(core: Core): boolean {
  if (!core.config.checkQuorum || core.lead === NO_NODE) return false;
  return core.electionElapsedTicks < core.config.electionTicks;
}

function handleLowerTerm(core: Core, message: Message): void {
  const { type, from: to } = message;
  const guarded = core.config.checkQuorum || core.config.preVote;
  if (guarded && (type === 'MsgHeartbeat' || type === 'MsgApp')) {
    // The sender leads a group that ignores our higher term. Show it, so that it steps down and
    // an election can bring this node back.
    core.send({ type: 'MsgAppResp', to });
  } else if (type === 'MsgPreVote') {
    const context = commitHint(core);
    core.send({ type: 'MsgPreVoteResp', to, term: core.term, reject: true, context });
  } else if (type === 'MsgStorageAppendResp' && message.snapshot !== undefined) {
    // The write was asked for in an earlier term. Its entries may have been replaced and have come
    // back since (ABA), so they are not released by it; a snapshot has no such problem.
    snapshotApplied(core, message.snapshot);
  } else {
    core.ignore(message, 'lower-term');
  }
}

function stepByType(core: Core, message: Message): void {
  switch (message.type) {
    case 'MsgStorageAppendResp':
      if (message.index !== 0) core.log.unstable.stableTo(message.index, message.logTerm);
      if (message.snapshot !== undefined) snapshotApplied(core, message.snapshot);
      return;
    case 'MsgStorageApplyResp':
      return entriesApplied(core, message.entries);
    case 'MsgVote':
    case 'MsgPreVote':
      return handleVoteRequest(core, message);
    case 'MsgProp':
      return handleProposal(core, message);
    case 'MsgReadIndex':
      return handleReadIndex(core, message);
    case 'MsgTransferLeader':
      return transferLeader(core, message);
    default:
      if (core.role === 'StateLeader') stepLeader(core, message);
      else if (core.role === 'StateFollower') stepFollower(core, message);
      else stepCandidate(core, message);
  }
}

function stepLeader(core: Core, message: Message): void {
  const progress = core.progressOf(message.from);
  if (progress === undefined) return core.ignore(message, 'no-progress-for-sender');
  if (message.type === 'MsgAppResp') return handleAppendResponse(core, message, progress);
  if (message.type === 'MsgHeartbeatResp') {
    return handleHeartbeatResponse(core, message, progress);
  }
  core.ignore(message, 'not-expected-in-role');
}

function stepCandidate(core: Core, message: Message): void {
  const awaited = core.role === 'StatePreCandidate' ? 'MsgPreVoteResp' : 'MsgVoteResp';
  switch (message.type) {
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      // Another node won this term.
      becomeFollower(core, message.term, message.from);
      return stepFollower(core, message);
    case awaited:
      return handleVoteResponse(core, message);
    default:
      core.ignore(message, 'not-expected-in-role');
  }
}

function stepFollower(core: Core, message: Message): void {
  switch (message.type) {
    case 'MsgApp':
      followSender(core, message);
      return handleAppend(core, message);
    case 'MsgHeartbeat':
      followSender(core, message);
      return handleHeartbeat(core, message);
    case 'MsgSnap':
      followSender(core, message);
      return handleSnapshot(core, message);
    case 'MsgTimeoutNow':
      if (core.lead !== NO_NODE && message.from !== core.lead) {
        return core.ignore(message, 'not-from-leader');
      }
      return startCampaign(core, 'transfer');
    case 'MsgReadIndexResp':
      return handleReadIndexResponse(core, message);
    default:
      core.ignore(message, 'not-expected-in-role');
  }
}

function followSender(core: Core, message: Message): void {
  core.electionElapsedTicks = 0;
  if (core.lead !== message.from) core.reads.reset();
  core.lead = message.from;
}
