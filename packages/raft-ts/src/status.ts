/** Views of a node for operators and tests. */
import type { Core } from './core.ts';
import type { Role } from './events.ts';
import { toConfState } from './membership/tracker.ts';
import { progressStatus, type ProgressStatus } from './progress/status.ts';
import type { ConfState, Index, NodeId, Term } from './types.ts';

/** Cheap: plain numbers only. */
export type BasicStatus = {
  readonly id: NodeId;
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: Index;
  readonly applied: Index;
  readonly lastIndex: Index;
  readonly lead: NodeId;
  readonly role: Role;
  /** Target of a leadership transfer under way, on the leader; else 0. */
  readonly leadTransferee: NodeId;
};

/** Everything about a node at one moment. */
export type Status = BasicStatus & {
  readonly confState: ConfState;
  /** Each member as the leader sees it, ascending by id. Empty unless this node leads. */
  readonly progress: ReadonlyMap<NodeId, ProgressStatus>;
};

export function basicStatusOf(core: Core): BasicStatus {
  return {
    id: core.id,
    term: core.term,
    vote: core.vote,
    commit: core.log.committed,
    applied: core.log.applied,
    lastIndex: core.log.lastIndex(),
    lead: core.lead,
    role: core.role,
    leadTransferee: core.leadTransferee,
  };
}

export function statusOf(core: Core): Status {
  const progress = new Map<NodeId, ProgressStatus>();
  if (core.role === 'StateLeader') {
    for (const [id, member] of core.tracker.progress) progress.set(id, progressStatus(member));
  }
  return {
    ...basicStatusOf(core),
    confState: toConfState(core.tracker.membership),
    progress,
  };
}
