/**
 * Pure functions from one membership to the next: simple changes, entering and leaving a joint
 * configuration (Raft thesis, sections 4.1 and 4.3), and rebuilding one from a ConfState.
 */
import { RaftError, assert } from '../errors.ts';
import { Progress } from '../progress/progress.ts';
import { NO_NODE, type ConfState, type Index, type NodeId } from '../types.ts';
import type { ConfChangeSingle, ConfChangeV2 } from './conf-change.ts';
import { entersJoint, leavesJoint } from './conf-change.ts';
import { EMPTY_TRACKER, ascending, isJoint, type InflightLimits, type Tracker } from './tracker.ts';

/** A membership under construction. Existing Progress objects are shared until it is adopted. */
type Draft = {
  readonly incoming: Set<NodeId>;
  outgoing: ReadonlySet<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
  readonly progress: Map<NodeId, Progress>;
};

/** Where members that a change adds start from, and how much may be in flight to them. */
export type ChangeContext = {
  readonly lastIndex: Index;
  readonly inflight: InflightLimits;
};

/**
 * Carries out any change, by the protocol it asks for.
 * @throws RaftError RAFT_CONF_CHANGE_INVALID; the given tracker is then unchanged
 */
export function applyChange(
  tracker: Tracker,
  context: ChangeContext,
  change: ConfChangeV2,
): Tracker {
  if (leavesJoint(change)) return leaveJoint(tracker);
  const joint = entersJoint(change);
  if (joint !== undefined) return enterJoint(tracker, context, joint.autoLeave, change.changes);
  return simpleChange(tracker, context, change.changes);
}

/**
 * Changes learners at will and at most one voter.
 * @throws RaftError RAFT_CONF_CHANGE_INVALID
 */
export function simpleChange(
  tracker: Tracker,
  context: ChangeContext,
  changes: readonly ConfChangeSingle[],
): Tracker {
  if (isJoint(tracker.membership)) {
    throw invalid("can't apply simple config change in joint config");
  }
  const draft = draftOf(tracker);
  applySingles(draft, context, changes);
  if (symmetricDifference(tracker.membership.voters.incoming, draft.incoming) > 1) {
    throw invalid('more than one voter changed without entering joint config');
  }
  return finish(draft, false);
}

/**
 * Keeps the present voters as the outgoing half and applies the changes to the incoming half.
 * @throws RaftError RAFT_CONF_CHANGE_INVALID
 */
export function enterJoint(
  tracker: Tracker,
  context: ChangeContext,
  autoLeave: boolean,
  changes: readonly ConfChangeSingle[],
): Tracker {
  if (isJoint(tracker.membership)) throw invalid('config is already joint');
  if (tracker.membership.voters.incoming.size === 0) {
    throw invalid("can't make a zero-voter config joint");
  }
  const draft = draftOf(tracker);
  draft.outgoing = new Set(draft.incoming);
  applySingles(draft, context, changes);
  return finish(draft, autoLeave);
}

/**
 * Drops the outgoing half; its voters that were to become learners do so now.
 * @throws RaftError RAFT_CONF_CHANGE_INVALID
 */
export function leaveJoint(tracker: Tracker): Tracker {
  if (!isJoint(tracker.membership)) throw invalid("can't leave a non-joint config");
  const draft = draftOf(tracker);
  for (const id of draft.learnersNext) draft.learners.add(id);
  draft.learnersNext.clear();
  for (const id of draft.outgoing) {
    if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id);
  }
  draft.outgoing = new Set();
  return finish(draft, false);
}

/**
 * Builds the tracker that a ConfState describes, each member starting at `lastIndex`.
 * @throws RaftError RAFT_CONF_CHANGE_INVALID if the ConfState contradicts itself
 */
export function restoreTracker(confState: ConfState, context: ChangeContext): Tracker {
  const draft = draftOf(EMPTY_TRACKER);
  for (const id of confState.voters) draft.incoming.add(id);
  for (const id of confState.learners) draft.learners.add(id);
  for (const id of confState.learnersNext) draft.learnersNext.add(id);
  draft.outgoing = new Set(confState.votersOutgoing);
  checkConfState(confState, draft);
  const members = [...draft.incoming, ...draft.outgoing, ...draft.learners];
  for (const id of members) {
    if (!draft.progress.has(id)) initProgress(draft, context, id, draft.learners.has(id));
  }
  return finish(draft, confState.autoLeave);
}

/** A ConfState can come from a peer's snapshot, so that each of its claims is checked. */
function checkConfState(confState: ConfState, draft: Draft): void {
  const unique =
    draft.incoming.size === confState.voters.length &&
    draft.outgoing.size === confState.votersOutgoing.length &&
    draft.learners.size === confState.learners.length &&
    draft.learnersNext.size === confState.learnersNext.length;
  if (!unique) throw invalid('a member is listed twice');
  if (draft.outgoing.size > 0 && draft.incoming.size === 0) throw invalid('removed all voters');
  for (const id of draft.learners) {
    if (draft.incoming.has(id) || draft.outgoing.has(id)) throw invalid('a voter is a learner');
  }
  for (const id of draft.learnersNext) {
    if (!draft.outgoing.has(id)) throw invalid('a next learner is not an outgoing voter');
    if (draft.incoming.has(id)) throw invalid('a next learner is an incoming voter');
  }
  if (draft.outgoing.size === 0 && confState.autoLeave) throw invalid('autoleave without joint');
}

function applySingles(
  draft: Draft,
  context: ChangeContext,
  changes: readonly ConfChangeSingle[],
): void {
  for (const change of changes) {
    // Id 0 stands for "no member", so that a refused change can be blanked in place.
    if (change.nodeId === NO_NODE) continue;
    if (change.type === 'add-voter') makeVoter(draft, context, change.nodeId);
    else if (change.type === 'add-learner') makeLearner(draft, context, change.nodeId);
    else if (change.type === 'remove') remove(draft, change.nodeId);
  }
  if (draft.incoming.size === 0) throw invalid('removed all voters');
}

function makeVoter(draft: Draft, context: ChangeContext, id: NodeId): void {
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.incoming.add(id);
  if (!draft.progress.has(id)) initProgress(draft, context, id, false);
}

function makeLearner(draft: Draft, context: ChangeContext, id: NodeId): void {
  if (draft.learners.has(id)) return;
  const known = draft.progress.has(id);
  draft.incoming.delete(id);
  draft.learnersNext.delete(id);
  // A voter of the outgoing half keeps voting until the joint configuration is left.
  if (draft.outgoing.has(id)) draft.learnersNext.add(id);
  else draft.learners.add(id);
  if (!known) initProgress(draft, context, id, true);
}

function remove(draft: Draft, id: NodeId): void {
  draft.incoming.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  if (!draft.outgoing.has(id)) draft.progress.delete(id);
}

/**
 * A new member is probed from the leader's last index, and counts as active so that CheckQuorum
 * does not depose the leader before first contact.
 */
function initProgress(draft: Draft, context: ChangeContext, id: NodeId, isLearner: boolean): void {
  const progress = new Progress({
    match: 0,
    next: Math.max(context.lastIndex, 1),
    isLearner,
    recentActive: true,
    inflightMessagesMax: context.inflight.messagesMax,
    inflightBytesMax: context.inflight.bytesMax,
  });
  draft.progress.set(id, progress);
}

function draftOf(tracker: Tracker): Draft {
  const { membership } = tracker;
  return {
    incoming: new Set(membership.voters.incoming),
    outgoing: membership.voters.outgoing,
    learners: new Set(membership.learners),
    learnersNext: new Set(membership.learnersNext),
    progress: new Map(tracker.progress),
  };
}

/** Checks the result and returns it. `isLearner` of each Progress is set by `adoptTracker`. */
function finish(draft: Draft, autoLeave: boolean): Tracker {
  for (const id of draft.learners) {
    const votes = draft.incoming.has(id) || draft.outgoing.has(id);
    assert(!votes, 'no member is voter and learner at once');
  }
  for (const id of draft.learnersNext) {
    assert(draft.outgoing.has(id), 'a next learner still votes in the outgoing half');
  }
  const progress = new Map<NodeId, Progress>();
  for (const id of ascending(draft.progress.keys())) {
    progress.set(id, draft.progress.get(id) as Progress);
  }
  const voters = { incoming: draft.incoming, outgoing: draft.outgoing };
  const { learners, learnersNext } = draft;
  return { membership: { voters, learners, learnersNext, autoLeave }, progress };
}

/** Marks learners in the progress map, once a change is certain to be adopted. */
export function adoptTracker(tracker: Tracker): Tracker {
  for (const [id, progress] of tracker.progress) {
    progress.isLearner = tracker.membership.learners.has(id);
  }
  return tracker;
}

function symmetricDifference(left: ReadonlySet<NodeId>, right: ReadonlySet<NodeId>): number {
  let count = 0;
  for (const id of left) if (!right.has(id)) count += 1;
  for (const id of right) if (!left.has(id)) count += 1;
  return count;
}

function invalid(reason: string): RaftError {
  return new RaftError('RAFT_CONF_CHANGE_INVALID', 'membership change is not possible', { reason });
}
