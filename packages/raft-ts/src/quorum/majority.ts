/**
 * Majorities of one set of voters. Knows nothing about nodes, logs or messages.
 */
import type { Index, NodeId } from '../types.ts';

/** Outcome of an election so far. */
export type VoteResult = 'VoteWon' | 'VotePending' | 'VoteLost';

/** Looks up the highest index that a voter is known to have acknowledged; undefined if unknown. */
export type AckedIndex = (id: NodeId) => Index | undefined;

/** Looks up a voter's vote; undefined if it has not voted. */
export type VoteOf = (id: NodeId) => boolean | undefined;

/**
 * The highest index that a majority has acknowledged (Raft paper, section 5.3). Unknown counts as
 * 0. An empty set yields Infinity, so that it never holds back a joint configuration.
 */
export function majorityCommittedIndex(voters: ReadonlySet<NodeId>, acked: AckedIndex): Index {
  const count = voters.size;
  if (count === 0) return Number.POSITIVE_INFINITY;
  const indexes: Index[] = [];
  for (const id of voters) insertAscending(indexes, acked(id) ?? 0);
  return indexes[count - (Math.floor(count / 2) + 1)] as Index;
}

/** Sorts by insertion: groups are small, and this allocates nothing else. */
function insertAscending(sorted: Index[], value: Index): void {
  let at = sorted.length;
  sorted.push(value);
  while (at > 0 && (sorted[at - 1] as Index) > value) {
    sorted[at] = sorted[at - 1] as Index;
    at -= 1;
  }
  sorted[at] = value;
}

/** Whether a majority voted yes, can still do so, or cannot any more. An empty set has won. */
export function majorityVoteResult(voters: ReadonlySet<NodeId>, voteOf: VoteOf): VoteResult {
  if (voters.size === 0) return 'VoteWon';
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = voteOf(id);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  const quorum = Math.floor(voters.size / 2) + 1;
  if (granted >= quorum) return 'VoteWon';
  return granted + missing >= quorum ? 'VotePending' : 'VoteLost';
}
