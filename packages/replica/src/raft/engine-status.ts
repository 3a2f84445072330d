/** The core's status in the engine's words. */
import type { RawNode } from 'raft-ts';
import type { EngineStatus } from '../engine.ts';
import type { Applier } from './applier.ts';
import type { Hearing } from './hearing.ts';

/** Role, place in the log, configuration, and the leader's view of the members. */
export function engineStatusOf(node: RawNode, applier: Applier, hearing: Hearing): EngineStatus {
  const status = node.status();
  const { appliedIndex, configuration } = applier;
  const learner = !configuration.voters.includes(status.id);
  const roles = {
    StateLeader: 'leader',
    StateFollower: learner ? 'learner' : 'follower',
    StateCandidate: 'candidate',
    StatePreCandidate: 'candidate',
  } as const;
  return {
    nodeId: status.id,
    role: roles[status.role],
    leaderId: status.lead,
    leaderHeard: hearing.from(status.lead).count,
    term: status.term,
    commitIndex: status.commit,
    appliedIndex,
    configuration,
    progress: hearing.progressOf(status.progress),
  };
}
