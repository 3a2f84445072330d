/**
 * Adopting a membership: after an applied change, and after a snapshot.
 * A membership counts from when it is applied, not from when it is appended. Safety then rests on
 * one change at a time, and on not campaigning with changes that are committed but not applied.
 */
import { maybeCommit } from './commit.ts';
import type { Core } from './core.ts';
import { adoptTracker, applyChange, restoreTracker } from './membership/changer.ts';
import type { ConfChangeV2 } from './membership/conf-change.ts';
import { isVoter, toConfState, type Tracker } from './membership/tracker.ts';
import { releaseConfirmed } from './read-index.ts';
import { becomeFollower } from './roles.ts';
import { broadcastAppend, maybeSendAppend } from './send-append.ts';
import { traceApplyConfChange } from './trace.ts';
import { abortTransfer } from './transfer-state.ts';
import { NO_NODE, type ConfState } from './types.ts';

/**
 * Applies a committed change.
 * @throws RaftError RAFT_CONF_CHANGE_INVALID, without any change
 */
export function applyConfChange(core: Core, change: ConfChangeV2): ConfState {
  if (core.log.unstable.snapshot !== undefined) {
    // Entries are not handed out while a snapshot is pending, so that this change was handed out
    // before, and is already part of the membership that came with the snapshot.
    return toConfState(core.tracker.membership);
  }
  return adopt(core, applyChange(core.tracker, core.changeContext(), change));
}

/** Computes the tracker of a ConfState. @throws RaftError RAFT_CONF_CHANGE_INVALID */
export function trackerOf(core: Core, confState: ConfState): Tracker {
  return restoreTracker(confState, core.changeContext());
}

/** Makes `tracker` the membership of this node and acts on the difference. */
export function adopt(core: Core, tracker: Tracker): ConfState {
  traceApplyConfChange(core, tracker.membership.voters.incoming);
  core.tracker = adoptTracker(tracker);
  const confState = toConfState(tracker.membership);
  core.emit({ kind: 'conf-changed', confState });
  if (core.role !== 'StateLeader') return confState;
  const own = core.progressOf(core.id);
  if (own === undefined || own.isLearner) {
    if (core.config.stepDownOnRemoval) becomeFollower(core, core.term, NO_NODE);
    return confState;
  }
  if (confState.voters.length === 0) return confState;
  // A smaller quorum may already hold more entries.
  if (maybeCommit(core)) broadcastAppend(core);
  else probeNewMembers(core);
  const transferee = core.leadTransferee;
  if (transferee !== NO_NODE && !isVoter(tracker.membership, transferee)) abortTransfer(core);
  releaseConfirmed(core);
  return confState;
}

function probeNewMembers(core: Core): void {
  for (const id of core.tracker.progress.keys()) {
    if (id !== core.id) maybeSendAppend(core, id, false);
  }
}
