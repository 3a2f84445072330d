/**
 * What a leader believes about one member's log, and how fast it may send to it.
 *
 * Probe: the match is unknown; one append per heartbeat round. Replicate: appends are pipelined
 * within the window. Snapshot: nothing is sent until the member reports that it caught up.
 */
import { assert } from '../errors.ts';
import type { Index } from '../types.ts';
import { Inflights } from './inflights.ts';

/** How a leader sends to a follower. */
export type ProgressState = 'StateProbe' | 'StateReplicate' | 'StateSnapshot';

/** Where to start, and the limits of the window. */
export type ProgressOptions = {
  readonly match: Index;
  readonly next: Index;
  readonly isLearner: boolean;
  readonly recentActive: boolean;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
};

/** Mutable; owned by the tracker of one node. Invariant: match < next. */
export class Progress {
  match: Index;
  next: Index;
  state: ProgressState = 'StateProbe';
  isLearner: boolean;
  /** Heard from since the last CheckQuorum round. */
  recentActive: boolean;
  /** Index of the snapshot under way; 0 if none. */
  pendingSnapshot: Index = 0;
  /** No append until an acknowledgement or a heartbeat response. */
  appendPaused = false;
  readonly inflights: Inflights;
  /** Highest commit index sent. */
  #sentCommit: Index = 0;

  constructor(options: ProgressOptions) {
    assert(options.match < options.next, 'match stays below next');
    this.match = options.match;
    this.next = options.next;
    this.isLearner = options.isLearner;
    this.recentActive = options.recentActive;
    this.inflights = new Inflights(options.inflightMessagesMax, options.inflightBytesMax);
  }

  becomeProbe(): void {
    // After a snapshot the member has at least that snapshot's index, if it arrived.
    const afterSnapshot = this.state === 'StateSnapshot' ? this.pendingSnapshot + 1 : 0;
    this.#enter('StateProbe');
    this.next = Math.max(this.match + 1, afterSnapshot);
    this.#limitSentCommit();
  }

  becomeReplicate(): void {
    this.#enter('StateReplicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(snapshotIndex: Index): void {
    this.#enter('StateSnapshot');
    this.pendingSnapshot = snapshotIndex;
    this.next = snapshotIndex + 1;
    this.#sentCommit = snapshotIndex;
  }

  #enter(state: ProgressState): void {
    this.appendPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }

  /** Notes an append that was just sent. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== 'StateSnapshot', 'no append is sent while a snapshot is under way');
    if (this.state === 'StateProbe') {
      // An empty probe may be repeated: it costs nothing, and its answer is what we wait for.
      if (count > 0) this.appendPaused = true;
      return;
    }
    if (count > 0) {
      this.next += count;
      this.inflights.add(this.next - 1, bytes);
    }
    this.appendPaused = this.inflights.isFull();
  }

  /** Whether an append would teach the member a higher commit index. */
  canBumpCommit(commit: Index): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  sentCommit(commit: Index): void {
    this.#sentCommit = commit;
  }

  /** Takes an acknowledgement; false if it is not news. */
  maybeUpdate(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.appendPaused = false;
    return true;
  }

  /**
   * Takes a rejection of the append after `rejected`; false if it is stale.
   * @param matchHint the highest index at which the logs may still agree
   */
  maybeDecrease(rejected: Index, matchHint: Index): boolean {
    if (this.state === 'StateReplicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.#limitSentCommit();
      return true;
    }
    // A probe is outstanding for next - 1 only.
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1);
    this.#limitSentCommit();
    this.appendPaused = false;
    return true;
  }

  #limitSentCommit(): void {
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }

  isPaused(): boolean {
    return this.state === 'StateSnapshot' || this.appendPaused;
  }
}
