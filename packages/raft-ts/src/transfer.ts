/**
 * Handing leadership to a chosen member (Raft thesis, section 3.10). While it runs the leader takes
 * no proposals; it ends after one election timeout if the target has not taken over.
 */
import type { Core } from './core.ts';
import { sendAppend } from './send-append.ts';
import { abortTransfer } from './transfer-state.ts';
import { NO_NODE, type Message, type NodeId } from './types.ts';

/** Starts a transfer on the leader, or asks the leader to. */
export function transferLeader(core: Core, message: Message): void {
  const target = message.vote;
  if (core.role === 'StateLeader') return startTransfer(core, message, target);
  if (core.role !== 'StateFollower') return core.ignore(message, 'not-expected-in-role');
  if (core.lead === NO_NODE) return core.ignore(message, 'no-leader');
  core.send({ type: 'MsgTransferLeader', to: core.lead, vote: target });
}

function startTransfer(core: Core, message: Message, target: NodeId): void {
  const progress = core.progressOf(target);
  if (progress === undefined) return core.ignore(message, 'transfer-target-is-no-member');
  if (progress.isLearner) return core.ignore(message, 'transfer-target-is-learner');
  if (core.leadTransferee === target) return;
  abortTransfer(core);
  if (target === core.id) return core.ignore(message, 'transfer-target-is-leader');
  core.electionElapsedTicks = 0;
  core.leadTransferee = target;
  core.emit({ kind: 'transfer-started', to: target });
  if (progress.match === core.log.lastIndex()) sendTimeoutNow(core);
  else sendAppend(core, target);
}

/** Tells the target to campaign as soon as it holds the whole log. */
export function continueTransfer(core: Core, acknowledgedBy: NodeId): void {
  if (acknowledgedBy !== core.leadTransferee) return;
  const progress = core.progressOf(acknowledgedBy);
  if (progress?.match === core.log.lastIndex()) sendTimeoutNow(core);
}

function sendTimeoutNow(core: Core): void {
  core.send({ type: 'MsgTimeoutNow', to: core.leadTransferee });
}
