/** What the passing of time does to each role. */
import type { Core } from './core.ts';
import { isPromotable, isQuorumActive, ordinaryCampaign, startCampaign } from './election.ts';
import { becomeFollower } from './roles.ts';
import { broadcastHeartbeat } from './send-append.ts';
import { abortTransfer } from './transfer-state.ts';
import { NO_NODE } from './types.ts';

/** One tick, as long as the driver decides. */
export function tick(core: Core): void {
  if (core.role === 'StateLeader') tickLeader(core);
  else tickOther(core);
}

function tickOther(core: Core): void {
  core.electionElapsedTicks += 1;
  if (!isPromotable(core) || core.electionElapsedTicks < core.electionTimeoutTicks) return;
  core.electionElapsedTicks = 0;
  startCampaign(core, ordinaryCampaign(core));
}

function tickLeader(core: Core): void {
  core.heartbeatElapsedTicks += 1;
  core.electionElapsedTicks += 1;
  if (core.electionElapsedTicks >= core.config.electionTicks) {
    core.electionElapsedTicks = 0;
    if (core.config.checkQuorum && !keepLeading(core)) return;
    // The target has had an election timeout to take over; serve proposals again.
    abortTransfer(core);
  }
  if (core.heartbeatElapsedTicks < core.config.heartbeatTicks) return;
  core.heartbeatElapsedTicks = 0;
  broadcastHeartbeat(core);
}

/** Steps down unless a quorum was heard from in the last election timeout. */
function keepLeading(core: Core): boolean {
  const active = isQuorumActive(core);
  if (!active) {
    core.emit({ kind: 'quorum-lost', term: core.term });
    becomeFollower(core, core.term, NO_NODE);
  }
  for (const [id, progress] of core.tracker.progress) {
    if (id !== core.id) progress.recentActive = false;
  }
  return active;
}
