/**
 * Proposals: commands and membership changes, on the leader or forwarded to it.
 */
import type { Core } from './core.ts';
import { RaftError } from './errors.ts';
import type { ConfChangeRefusal } from './events.ts';
import { applyChange } from './membership/changer.ts';
import { leavesJoint, type ConfChangeV2 } from './membership/conf-change.ts';
import { isJoint } from './membership/tracker.ts';
import { decodeChange } from './own-changes.ts';
import { appendOwn, type EntryBody } from './own-entries.ts';
import { broadcastAppend } from './send-append.ts';
import { NO_BYTES, NO_NODE, type Entry, type Message } from './types.ts';

/**
 * Appends proposals to the leader's log, or forwards them to the leader.
 * @throws RaftError RAFT_PROPOSAL_DROPPED when there is nobody to take them now
 */
export function handleProposal(core: Core, message: Message): void {
  switch (core.role) {
    case 'StateLeader':
      return propose(core, message);
    case 'StateFollower':
      return forward(core, message);
    case 'StateCandidate':
    case 'StatePreCandidate':
      throw dropped('election-under-way');
  }
}

function forward(core: Core, message: Message): void {
  if (core.lead === NO_NODE) throw dropped('no-leader');
  if (core.config.disableProposalForwarding) throw dropped('forwarding-disabled');
  core.send({ type: 'MsgProp', to: core.lead, entries: message.entries });
}

function propose(core: Core, message: Message): void {
  if (core.progressOf(core.id) === undefined) throw dropped('not-a-member');
  if (core.leadTransferee !== NO_NODE) throw dropped('transfer-under-way');
  const changes = message.entries.map(decodeChange);
  const pendingBefore = core.pendingConfIndex;
  const bodies = message.entries.map((entry, offset) => {
    const change = changes[offset];
    return change === undefined ? entry : bodyOfChange(core, entry, change, offset);
  });
  if (!appendOwn(core, bodies)) {
    core.pendingConfIndex = pendingBefore;
    throw dropped('uncommitted-tail-full');
  }
  broadcastAppend(core);
}

/** A change that must not be made now is replaced by an empty entry, so that its index is used. */
function bodyOfChange(core: Core, entry: Entry, change: ConfChangeV2, offset: number): EntryBody {
  const refusal = core.config.disableConfChangeValidation ? undefined : refusalOf(core, change);
  if (refusal !== undefined) {
    core.emit({ kind: 'conf-change-refused', reason: refusal });
    return { type: 'EntryNormal', data: NO_BYTES };
  }
  core.pendingConfIndex = core.log.lastIndex() + 1 + offset;
  return entry;
}

function refusalOf(core: Core, change: ConfChangeV2): ConfChangeRefusal | undefined {
  if (core.pendingConfIndex > core.log.applied) return 'earlier-change-unapplied';
  const joint = isJoint(core.tracker.membership);
  if (joint && !leavesJoint(change)) return 'must-leave-joint-first';
  if (!joint && leavesJoint(change)) return 'not-joint';
  try {
    // Nothing is pending, so this membership is the one that the change will be applied to.
    applyChange(core.tracker, core.changeContext(), change);
    return undefined;
  } catch (error) {
    if (error instanceof RaftError && error.code === 'RAFT_CONF_CHANGE_INVALID') {
      return 'not-applicable';
    }
    throw error;
  }
}

function dropped(reason: string): RaftError {
  return new RaftError('RAFT_PROPOSAL_DROPPED', 'proposal was not taken', { reason });
}
