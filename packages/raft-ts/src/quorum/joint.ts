/**
 * Majorities of a joint configuration: decisions need both halves (Raft thesis, section 4.3).
 */
import type { Index, NodeId } from '../types.ts';
import {
  majorityCommittedIndex,
  majorityVoteResult,
  type AckedIndex,
  type VoteOf,
  type VoteResult,
} from './majority.ts';

/** Two sets of voters. `outgoing` is empty unless a joint change is under way. */
export type JointVoters = {
  readonly incoming: ReadonlySet<NodeId>;
  readonly outgoing: ReadonlySet<NodeId>;
};

/** The highest index that both majorities have acknowledged. */
export function jointCommittedIndex(voters: JointVoters, acked: AckedIndex): Index {
  return Math.min(
    majorityCommittedIndex(voters.incoming, acked),
    majorityCommittedIndex(voters.outgoing, acked),
  );
}

/** Won when both halves have won, lost when either has lost. */
export function jointVoteResult(voters: JointVoters, voteOf: VoteOf): VoteResult {
  const incoming = majorityVoteResult(voters.incoming, voteOf);
  const outgoing = majorityVoteResult(voters.outgoing, voteOf);
  if (incoming === outgoing) return incoming;
  return incoming === 'VoteLost' || outgoing === 'VoteLost' ? 'VoteLost' : 'VotePending';
}

/** Every voter of either half, ascending. */
export function jointVoterIds(voters: JointVoters): readonly NodeId[] {
  const ids = new Set<NodeId>([...voters.incoming, ...voters.outgoing]);
  return [...ids].sort((left, right) => left - right);
}
