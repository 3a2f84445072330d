/**
 * Checks of incoming messages. A peer is attested but may still be wrong or old: whatever it sends
 * must end in a typed error at worst, never in a violated assertion, and before anything changed.
 */
import type { Core } from './core.ts';
import { RaftError } from './errors.ts';
import {
  INDEX_MAX,
  LocalAppendThread,
  LocalApplyThread,
  NODE_ID_MAX,
  TERM_MAX,
  isLocalThread,
  type Message,
} from './types.ts';

/** Longest context in bytes of a message from a peer. */
const CONTEXT_BYTES_MAX = 64 * 1024;

/**
 * Checks a message by itself, and against this node's log where it belongs to this or a later term.
 * @throws RaftError RAFT_LOCAL_MESSAGE, RAFT_PEER_NOT_FOUND, RAFT_MESSAGE_INVALID
 */
export function checkMessage(core: Core, message: Message): void {
  if (checkStorageMessage(message)) return;
  check(message, message.to === core.id, 'to');
  check(message, isIntegerUpTo(message.from, NODE_ID_MAX) && message.from > 0, 'from');
  check(message, isIntegerUpTo(message.term, TERM_MAX), 'term');
  check(message, isIntegerUpTo(message.logTerm, TERM_MAX), 'logTerm');
  check(message, isIntegerUpTo(message.index, INDEX_MAX), 'index');
  check(message, isIntegerUpTo(message.commit, INDEX_MAX), 'commit');
  check(message, isIntegerUpTo(message.rejectHint, INDEX_MAX), 'rejectHint');
  check(message, isIntegerUpTo(message.vote, NODE_ID_MAX), 'vote');
  check(message, message.context.byteLength <= CONTEXT_BYTES_MAX, 'context');
  check(message, message.responses.length === 0, 'responses');
  checkSender(core, message);
  checkByType(core, message);
}

/** @returns whether the message comes from a storage thread of this process */
function checkStorageMessage(message: Message): boolean {
  switch (message.type) {
    case 'MsgStorageAppendResp':
      if (message.from === LocalAppendThread) return true;
      break;
    case 'MsgStorageApplyResp':
      if (message.from === LocalApplyThread) return true;
      break;
    case 'MsgStorageAppend':
    case 'MsgStorageApply':
      break;
    default:
      if (!isLocalThread(message.from)) return false;
  }
  throw new RaftError('RAFT_LOCAL_MESSAGE', 'message is only for use within a process', {
    type: message.type,
  });
}

function checkSender(core: Core, message: Message): void {
  const { type, from } = message;
  switch (type) {
    case 'MsgAppResp':
    case 'MsgHeartbeatResp':
    case 'MsgVoteResp':
    case 'MsgPreVoteResp':
      // A node accepts its own entries, and sends itself no heartbeats.
      check(message, from !== core.id || isOwnResponse(message), 'from');
      if (core.progressOf(from) !== undefined) break;
      throw new RaftError('RAFT_PEER_NOT_FOUND', 'response from a node that is no member', {
        type,
        from,
      });
    default:
      // Everything else that a node sends itself was handled when it was asked for.
      check(message, from !== core.id, 'from');
  }
}

function isOwnResponse({ type, reject }: Message): boolean {
  return type === 'MsgAppResp' ? !reject : type !== 'MsgHeartbeatResp';
}

function checkByType(core: Core, message: Message): void {
  const { type } = message;
  if (type === 'MsgProp') {
    check(message, message.term === 0, 'term');
    check(message, message.entries.length > 0, 'entries');
    return;
  }
  check(message, type === 'MsgReadIndex' ? message.term === 0 : message.term > 0, 'term');
  if (type === 'MsgApp') checkAppend(message);
  else check(message, message.entries.length === 0, 'entries');
  if (type === 'MsgSnap') checkSnapshot(message);
  else check(message, message.snapshot === undefined, 'snapshot');
  if (type === 'MsgHeartbeat' && message.term >= core.term) {
    // A leader never names more than what this node has acknowledged. If this fails for an honest
    // leader, this node has lost part of its log and must not go on under the same id.
    check(message, message.commit <= core.log.lastIndex(), 'commit');
  }
}

function checkAppend(message: Message): void {
  let index = message.index;
  let term = message.logTerm;
  check(message, term <= message.term, 'logTerm');
  for (const entry of message.entries) {
    index += 1;
    check(message, entry.index === index && index <= INDEX_MAX, 'entries.index');
    const ordered = entry.term >= term && entry.term <= message.term;
    check(message, ordered && Number.isSafeInteger(entry.term), 'entries.term');
    term = entry.term;
  }
}

function checkSnapshot(message: Message): void {
  const metadata = message.snapshot?.metadata;
  check(message, metadata !== undefined, 'snapshot');
  check(message, isIntegerUpTo(metadata.index, INDEX_MAX) && metadata.index > 0, 'snapshot.index');
  check(message, isIntegerUpTo(metadata.term, message.term), 'snapshot.term');
}

function isIntegerUpTo(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function check(message: Message, holds: boolean, field: string): asserts holds {
  if (holds) return;
  throw new RaftError('RAFT_MESSAGE_INVALID', 'message contradicts itself or this log', {
    type: message.type,
    field,
  });
}
