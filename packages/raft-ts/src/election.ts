/**
 * Elections: campaigning, voting, counting votes (Raft paper, section 5.2; thesis, section 9.6).
 */
import { commitHint, learnCommit } from './commit-hint.ts';
import type { Core } from './core.ts';
import { unreachable } from './errors.ts';
import type { CampaignRefusal } from './events.ts';
import { jointVoteResult, jointVoterIds } from './quorum/joint.ts';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.ts';
import { broadcastAppend } from './send-append.ts';
import { NO_BYTES, NO_NODE, TERM_MAX, type Message } from './types.ts';

/** How an election starts. `transfer` was ordered by the leader and ignores leases. */
export type CampaignKind = 'pre-election' | 'election' | 'transfer';

/** Context of a MsgVote that was ordered by the leader: ASCII "CampaignTransfer". */
export const TRANSFER_CONTEXT: Uint8Array = Uint8Array.from(
  Array.from('CampaignTransfer', (letter) => letter.charCodeAt(0)),
);

/** Starts an election, unless this node must not win one. */
export function startCampaign(core: Core, kind: CampaignKind): void {
  const reason = campaignRefusal(core);
  if (reason !== undefined) {
    core.emit({ kind: 'campaign-refused', reason, term: core.term });
    return;
  }
  campaign(core, kind);
}

/** The kind of an election that no leader ordered. */
export function ordinaryCampaign(core: Core): CampaignKind {
  return core.config.preVote ? 'pre-election' : 'election';
}

function campaignRefusal(core: Core): CampaignRefusal | undefined {
  if (core.role === 'StateLeader') return 'already-leader';
  if (!isPromotable(core)) return 'not-promotable';
  if (core.term >= TERM_MAX) return 'term-exhausted';
  if (hasUnappliedConfChange(core)) return 'unapplied-conf-change';
  return undefined;
}

/** Whether this node is a voter whose log is not being replaced by a snapshot. */
export function isPromotable(core: Core): boolean {
  const own = core.progressOf(core.id);
  return own !== undefined && !own.isLearner && core.log.unstable.snapshot === undefined;
}

/**
 * With a committed change that is not applied, this node would count votes by a membership that is
 * no longer the group's, and could win beside another leader (etcd raft issue 469).
 */
function hasUnappliedConfChange(core: Core): boolean {
  const { applied, committed } = core.log;
  for (let lo = applied + 1; lo <= committed;) {
    const entries = core.log.slice(lo, committed + 1, core.config.maxCommittedSizePerReadyBytes);
    // Compacted entries are in a snapshot, and so applied, though we have not heard of it yet.
    if (entries === undefined || entries.length === 0) return true;
    if (entries.some((entry) => entry.type !== 'EntryNormal')) return true;
    lo += entries.length;
  }
  return false;
}

function campaign(core: Core, kind: CampaignKind): void {
  if (kind === 'pre-election') becomePreCandidate(core);
  else becomeCandidate(core);
  const pre = kind === 'pre-election';
  const term = pre ? core.term + 1 : core.term;
  const last = core.log.lastEntryId();
  for (const to of jointVoterIds(core.tracker.membership.voters)) {
    if (to === core.id) {
      // Even one's own vote counts only once it is durable.
      core.send({ type: pre ? 'MsgPreVoteResp' : 'MsgVoteResp', to, term });
      continue;
    }
    core.send({
      type: pre ? 'MsgPreVote' : 'MsgVote',
      to,
      term,
      index: last.index,
      logTerm: last.term,
      context: kind === 'transfer' ? TRANSFER_CONTEXT : NO_BYTES,
    });
  }
}

/** Grants or refuses a vote or pre-vote. The caller has dealt with the terms. */
export function handleVoteRequest(core: Core, message: Message): void {
  const { from: to, term, type } = message;
  const pre = type === 'MsgPreVote';
  const free =
    core.vote === message.from ||
    (core.vote === NO_NODE && core.lead === NO_NODE) ||
    (pre && term > core.term);
  // Learners vote when asked: the candidate may know of their promotion before they do
  // (etcd issue 10998).
  const upToDate = core.log.isUpToDate({ term: message.logTerm, index: message.index });
  const response = pre ? 'MsgPreVoteResp' : 'MsgVoteResp';
  if (!free || !upToDate) {
    core.emit({ kind: 'vote-rejected', type, candidate: to });
    core.send({ type: response, to, term: core.term, reject: true, context: commitHint(core) });
    return;
  }
  core.emit({ kind: 'vote-cast', type, candidate: to });
  // A granted pre-vote echoes the term of the coming election, which the candidate compares.
  core.send({ type: response, to, term });
  if (pre) return;
  core.electionElapsedTicks = 0;
  core.vote = message.from;
}

/** Candidate: counts an answer to its request and acts on the result. */
export function handleVoteResponse(core: Core, message: Message): void {
  if (message.reject && learnCommit(core, message) && hasUnappliedConfChange(core)) {
    // The membership that this election counts by is no longer the group's.
    becomeFollower(core, core.term, NO_NODE);
    return;
  }
  if (!core.votes.has(message.from)) core.votes.set(message.from, !message.reject);
  const result = jointVoteResult(core.tracker.membership.voters, (id) => core.votes.get(id));
  const members = [...core.votes.keys()].filter((id) => core.progressOf(id) !== undefined);
  const granted = members.filter((id) => core.votes.get(id) === true).length;
  core.emit({ kind: 'votes-counted', granted, rejected: members.length - granted, result });
  switch (result) {
    case 'VoteWon':
      if (core.role === 'StatePreCandidate') return campaign(core, 'election');
      becomeLeader(core);
      return broadcastAppend(core);
    case 'VoteLost':
      // A rejected pre-vote may carry a higher term; it is learned from real messages only.
      return becomeFollower(core, core.term, NO_NODE);
    case 'VotePending':
      return;
    default:
      return unreachable(result);
  }
}

/** Leader: whether a quorum was heard from since the last such question. */
export function isQuorumActive(core: Core): boolean {
  const { membership, progress } = core.tracker;
  const result = jointVoteResult(membership.voters, (id) => {
    return id === core.id || (progress.get(id)?.recentActive ?? false);
  });
  return result === 'VoteWon';
}
