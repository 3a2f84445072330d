/**
 * Linearizable reads without a log entry (Raft thesis, section 6.4).
 */
import { hasCommittedInTerm } from './commit.ts';
import type { Core } from './core.ts';
import { RaftError } from './errors.ts';
import { isSingleton } from './membership/tracker.ts';
import type { ConfirmedRead, ReadRequest } from './read-queue.ts';
import { broadcastHeartbeat } from './send-append.ts';
import { NO_NODE, type Message } from './types.ts';

/**
 * Starts a read for the caller of this node.
 * @throws RaftError RAFT_READ_INDEX_DROPPED without a leader, or with too many reads waiting
 */
export function readIndex(core: Core, context: Uint8Array): void {
  if (core.role === 'StateLeader') {
    if (startRead(core, { from: core.id, context })) return;
    throw new RaftError('RAFT_READ_INDEX_DROPPED', 'too many reads are waiting');
  }
  if (core.lead === NO_NODE) {
    throw new RaftError('RAFT_READ_INDEX_DROPPED', 'there is no leader to ask');
  }
  core.send({ type: 'MsgReadIndex', to: core.lead, context: core.reads.forward(context) });
}

/** Takes a read that a follower forwarded. */
export function handleReadIndex(core: Core, message: Message): void {
  if (core.role !== 'StateLeader') return core.ignore(message, 'not-expected-in-role');
  if (core.progressOf(message.from) === undefined) {
    return core.ignore(message, 'no-progress-for-sender');
  }
  const started = startRead(core, { from: message.from, context: message.context });
  if (!started) core.ignore(message, 'too-many-reads');
}

/** Takes the answer to a read that this node forwarded. */
export function handleReadIndexResponse(core: Core, message: Message): void {
  const requestContext = core.reads.takeForwarded(message.context);
  if (requestContext === undefined) return core.ignore(message, 'unknown-read');
  core.readStates.push({ index: message.index, requestContext });
}

function startRead(core: Core, request: ReadRequest): boolean {
  // Until then a new leader does not know what its predecessors committed (etcd issue 7331). That
  // holds for a group of one as well: after a restart its stored commit index may be old.
  if (!hasCommittedInTerm(core)) return core.reads.postpone(request);
  const index = core.log.committed;
  const alone = isSingleton(core.tracker.membership) && isSelfVoter(core);
  if (alone || core.config.readOnly === 'lease-based') {
    answer(core, { ...request, index });
    return true;
  }
  if (!core.reads.wait(request, index)) return false;
  broadcastHeartbeat(core);
  return true;
}

function isSelfVoter(core: Core): boolean {
  return core.tracker.membership.voters.incoming.has(core.id);
}

/** Starts the reads that had to wait for the first commit of this term. */
export function releasePostponed(core: Core): void {
  if (!hasCommittedInTerm(core)) return;
  for (const request of core.reads.takePostponed()) startRead(core, request);
}

/** Answers the reads that a quorum has confirmed by now. */
export function releaseConfirmed(core: Core): void {
  const { voters } = core.tracker.membership;
  for (const read of core.reads.takeConfirmed(core.id, voters)) answer(core, read);
}

function answer(core: Core, read: ConfirmedRead): void {
  if (read.from === core.id) {
    core.readStates.push({ index: read.index, requestContext: read.context });
    return;
  }
  core.send({
    type: 'MsgReadIndexResp',
    to: read.from,
    index: read.index,
    context: read.context,
  });
}
