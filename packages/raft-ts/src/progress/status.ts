/** An immutable view of a Progress, for status reports. */
import type { Index } from '../types.ts';
import type { Progress, ProgressState } from './progress.ts';

/** A follower’s progress at one moment. */
export type ProgressStatus = {
  readonly match: Index;
  readonly next: Index;
  readonly state: ProgressState;
  readonly isLearner: boolean;
  readonly isPaused: boolean;
  readonly recentActive: boolean;
  readonly pendingSnapshot: Index;
  readonly inflightCount: number;
  readonly inflightFull: boolean;
};

/** A copy of a follower’s progress that is safe to hand out. */
export function progressStatus(progress: Progress): ProgressStatus {
  return {
    match: progress.match,
    next: progress.next,
    state: progress.state,
    isLearner: progress.isLearner,
    isPaused: progress.isPaused(),
    recentActive: progress.recentActive,
    pendingSnapshot: progress.pendingSnapshot,
    inflightCount: progress.inflights.count(),
    inflightFull: progress.inflights.isFull(),
  };
}

/** One line, such as `StateReplicate match=11 next=15 paused inflight=3[full]`. */
export function describeProgress(status: ProgressStatus): string {
  const parts = [`${status.state} match=${status.match} next=${status.next}`];
  if (status.isLearner) parts.push('learner');
  if (status.isPaused) parts.push('paused');
  if (status.pendingSnapshot > 0) parts.push(`pendingSnap=${status.pendingSnapshot}`);
  if (!status.recentActive) parts.push('inactive');
  if (status.inflightCount > 0) {
    parts.push(`inflight=${status.inflightCount}${status.inflightFull ? '[full]' : ''}`);
  }
  return parts.join(' ');
}
