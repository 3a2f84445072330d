/**
 * A membership together with the progress of each member: one immutable configuration, and a map
 * of mutable Progress objects that a change of membership carries over.
 */
import type { Progress } from '../progress/progress.ts';
import type { JointVoters } from '../quorum/joint.ts';
import type { ConfState, NodeId } from '../types.ts';

/** A membership as sets. `learners` never overlaps a half of the voters; `learnersNext` does. */
export type Membership = {
  readonly voters: JointVoters;
  readonly learners: ReadonlySet<NodeId>;
  /** Outgoing voters that become learners when the joint configuration is left. */
  readonly learnersNext: ReadonlySet<NodeId>;
  readonly autoLeave: boolean;
};

/** Followers as the leader sees them, by id. */
export type ProgressMap = ReadonlyMap<NodeId, Progress>;

/** Members and their progress; ids ascend in `progress`. */
export type Tracker = {
  readonly membership: Membership;
  readonly progress: ProgressMap;
};

/** Limits of each member's window of appends. */
export type InflightLimits = { readonly messagesMax: number; readonly bytesMax: number };

const NOBODY: ReadonlySet<NodeId> = new Set();

/** A group without members. */
export const EMPTY_TRACKER: Tracker = {
  membership: {
    voters: { incoming: NOBODY, outgoing: NOBODY },
    learners: NOBODY,
    learnersNext: NOBODY,
    autoLeave: false,
  },
  progress: new Map(),
};

/** Whether a joint change is under way. */
export function isJoint(membership: Membership): boolean {
  return membership.voters.outgoing.size > 0;
}

/** Whether the node is a voter of either half. */
export function isVoter(membership: Membership, id: NodeId): boolean {
  return membership.voters.incoming.has(id) || membership.voters.outgoing.has(id);
}

/** Whether the group consists of one voter (learners aside), so that it decides alone. */
export function isSingleton(membership: Membership): boolean {
  return membership.voters.incoming.size === 1 && !isJoint(membership);
}

/** The membership as plain data with ascending arrays. */
export function toConfState(membership: Membership): ConfState {
  return {
    voters: ascending(membership.voters.incoming),
    votersOutgoing: ascending(membership.voters.outgoing),
    learners: ascending(membership.learners),
    learnersNext: ascending(membership.learnersNext),
    autoLeave: membership.autoLeave,
  };
}

/** The ids of a set, ascending. */
export function ascending(ids: Iterable<NodeId>): readonly NodeId[] {
  return [...ids].sort((left, right) => left - right);
}

/** One line, such as `voters=(1 2 3)&&(1) learners=(4) learners_next=(1) autoleave`. */
export function describeMembership(membership: Membership): string {
  const list = (ids: ReadonlySet<NodeId>): string => `(${ascending(ids).join(' ')})`;
  let text = `voters=${list(membership.voters.incoming)}`;
  if (isJoint(membership)) text += `&&${list(membership.voters.outgoing)}`;
  if (membership.learners.size > 0) text += ` learners=${list(membership.learners)}`;
  if (membership.learnersNext.size > 0) text += ` learners_next=${list(membership.learnersNext)}`;
  if (membership.autoLeave) text += ' autoleave';
  return text;
}
