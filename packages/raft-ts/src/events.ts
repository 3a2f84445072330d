/**
 * What the core reports while it works. It does not log: the driver does, or counts, or ignores.
 * Events carry no payload of commands.
 */
import type { VoteResult } from './quorum/majority.ts';
import type { ConfState, Index, MessageType, NodeId, Term } from './types.ts';

/** The role of a node. A pre-candidate asks whether it could win, before it disturbs anybody. */
export type Role = 'StateFollower' | 'StatePreCandidate' | 'StateCandidate' | 'StateLeader';

/** Why an election that was due or asked for did not start. */
export type CampaignRefusal =
  'already-leader' | 'not-promotable' | 'unapplied-conf-change' | 'term-exhausted';

/** Why a message was dropped without any other effect. Each is normal in a lossy network. */
export type IgnoredReason =
  | 'lower-term'
  | 'leader-lease'
  | 'no-leader'
  | 'no-progress-for-sender'
  | 'not-expected-in-role'
  | 'not-from-leader'
  | 'transfer-target-is-no-member'
  | 'transfer-target-is-learner'
  | 'transfer-target-is-leader'
  | 'too-many-reads'
  | 'unknown-read';

/** Why a leader replaced a proposed membership change by an empty entry. */
export type ConfChangeRefusal =
  'earlier-change-unapplied' | 'must-leave-joint-first' | 'not-joint' | 'not-applicable';

/** One thing that happened. */
export type RaftEvent =
  | {
      readonly kind: 'role-changed';
      readonly role: Role;
      readonly term: Term;
      readonly leader: NodeId;
    }
  | { readonly kind: 'campaign-refused'; readonly reason: CampaignRefusal; readonly term: Term }
  | { readonly kind: 'vote-cast'; readonly type: MessageType; readonly candidate: NodeId }
  | { readonly kind: 'vote-rejected'; readonly type: MessageType; readonly candidate: NodeId }
  | {
      readonly kind: 'votes-counted';
      readonly granted: number;
      readonly rejected: number;
      readonly result: VoteResult;
    }
  | {
      readonly kind: 'message-ignored';
      readonly type: MessageType;
      readonly from: NodeId;
      readonly reason: IgnoredReason;
    }
  | { readonly kind: 'quorum-lost'; readonly term: Term }
  | { readonly kind: 'append-rejected'; readonly index: Index; readonly hint: Index }
  | { readonly kind: 'conf-change-refused'; readonly reason: ConfChangeRefusal }
  | { readonly kind: 'conf-changed'; readonly confState: ConfState }
  | { readonly kind: 'snapshot-sent'; readonly to: NodeId; readonly index: Index }
  | { readonly kind: 'snapshot-restored'; readonly index: Index; readonly term: Term }
  | { readonly kind: 'snapshot-ignored'; readonly index: Index; readonly commit: Index }
  | { readonly kind: 'transfer-started'; readonly to: NodeId }
  | { readonly kind: 'transfer-aborted'; readonly to: NodeId }
  | { readonly kind: 'forget-leader-refused'; readonly leader: NodeId }
  | { readonly kind: 'leader-forgotten'; readonly leader: NodeId };
