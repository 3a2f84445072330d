/**
 * Notices a leader whose process has died before the election timeout does: its connections end at
 * once. A follower that then hears nothing for a heartbeat's time forgets the leader and asks the
 * others (PreVote). Those that still hear from it refuse, so that a broken line deposes nobody.
 */
import type { BasicStatus } from 'raft-ts';
import type { Scheduler } from '../ports.ts';

/** What a watch is made from. */
export interface LeaderWatchOptions {
  readonly scheduler: Scheduler;
  readonly status: () => Pick<BasicStatus, 'role' | 'lead'>;
  /** Messages that came from that node so far. */
  readonly heard: (nodeId: number) => number;
  /** Time in which a live leader would be heard, in milliseconds. */
  readonly silenceMs: number;
  readonly randomInt: (bound: number) => number;
  /** The leader is taken for dead. */
  readonly onGone: () => void;
}

/** See the head of this file. */
export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  #cancel: (() => void) | undefined;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  /** The line to a node has ended. */
  lineLost(nodeId: number): void {
    const { scheduler, heard, silenceMs, randomInt, onGone } = this.#options;
    if (this.#cancel !== undefined || !this.#follows(nodeId)) return;
    const before = heard(nodeId);
    // Spread over another such time, so that the followers do not all ask at once.
    const waitMs = silenceMs + randomInt(silenceMs);
    this.#cancel = scheduler.after(waitMs, () => {
      this.#cancel = undefined;
      if (this.#follows(nodeId) && heard(nodeId) === before) onGone();
    });
  }

  #follows(nodeId: number): boolean {
    const { role, lead } = this.#options.status();
    return role === 'StateFollower' && lead === nodeId;
  }

  stop(): void {
    this.#cancel?.();
  }
}
