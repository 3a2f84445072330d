/**
 * Transitions between follower, pre-candidate, candidate and leader (Raft paper, figure 4).
 */
import type { Core } from './core.ts';
import { assert } from './errors.ts';
import type { Role } from './events.ts';
import { Progress } from './progress/progress.ts';
import { appendOwn } from './own-entries.ts';
import { trace } from './trace.ts';
import { abortTransfer } from './transfer-state.ts';
import { NO_BYTES, NO_NODE, type NodeId, type Term } from './types.ts';

/** Follows `lead` (or nobody yet) in `term`. */
export function becomeFollower(core: Core, term: Term, lead: NodeId): void {
  reset(core, term);
  core.lead = lead;
  enter(core, 'StateFollower');
}

/** Asks for pre-votes. Neither term nor vote changes (Raft thesis, section 9.6). */
export function becomePreCandidate(core: Core): void {
  assert(core.role !== 'StateLeader', 'a leader does not campaign');
  core.votes = new Map();
  core.reads.reset();
  core.lead = NO_NODE;
  enter(core, 'StatePreCandidate');
}

/** Starts a new term and votes for itself. */
export function becomeCandidate(core: Core): void {
  assert(core.role !== 'StateLeader', 'a leader does not campaign');
  reset(core, core.term + 1);
  core.vote = core.id;
  enter(core, 'StateCandidate');
}

/** Leads this term, starting with an entry of its own so that earlier ones can commit. */
export function becomeLeader(core: Core): void {
  assert(core.role === 'StateCandidate', 'only a candidate becomes leader');
  reset(core, core.term);
  core.lead = core.id;
  enter(core, 'StateLeader');
  const own = core.progressOf(core.id);
  assert(own !== undefined, 'a leader is a member');
  own.becomeReplicate();
  own.recentActive = true;
  // Earlier entries may hold a change that is not applied yet: no other one until they are.
  core.pendingConfIndex = core.log.lastIndex();
  const appended = appendOwn(core, [{ type: 'EntryNormal', data: NO_BYTES }]);
  assert(appended, 'an empty entry is never refused');
}

const TRACE_NAMES = {
  StateFollower: 'BecomeFollower',
  StateCandidate: 'BecomeCandidate',
  StateLeader: 'BecomeLeader',
} as const;

function enter(core: Core, role: Role): void {
  core.role = role;
  if (role !== 'StatePreCandidate') trace(core, TRACE_NAMES[role]);
  core.emit({ kind: 'role-changed', role, term: core.term, leader: core.lead });
}

function reset(core: Core, term: Term): void {
  assert(term >= core.term, 'the term never falls');
  if (term !== core.term) {
    core.term = term;
    core.vote = NO_NODE;
  }
  core.lead = NO_NODE;
  core.electionElapsedTicks = 0;
  core.heartbeatElapsedTicks = 0;
  resetElectionTimeout(core);
  abortTransfer(core);
  core.votes = new Map();
  resetProgress(core);
  core.pendingConfIndex = 0;
  core.uncommittedBytes = 0;
  core.reads.reset();
}

function resetProgress(core: Core): void {
  const lastIndex = core.log.lastIndex();
  const { messagesMax, bytesMax } = core.inflightLimits;
  const progress = new Map<NodeId, Progress>();
  for (const [id, old] of core.tracker.progress) {
    const fresh = new Progress({
      match: id === core.id ? lastIndex : 0,
      next: lastIndex + 1,
      isLearner: old.isLearner,
      recentActive: false,
      inflightMessagesMax: messagesMax,
      inflightBytesMax: bytesMax,
    });
    progress.set(id, fresh);
  }
  core.tracker = { membership: core.tracker.membership, progress };
}

/** Draws a timeout in [electionTicks, 2 * electionTicks - 1], to keep candidates apart. */
function resetElectionTimeout(core: Core): void {
  const { electionTicks, randomInt } = core.config;
  const extra = randomInt(electionTicks);
  const inRange = Number.isInteger(extra) && extra >= 0 && extra < electionTicks;
  assert(inRange, 'randomInt keeps to its bound');
  core.electionTimeoutTicks = electionTicks + extra;
}
