/**
 * Lets a leader's commit index wait a moment for entries that carry it along: under load it never
 * travels alone, and without load the others still learn it within milliseconds.
 */
import type { RawNode } from 'raft-ts';
import type { Scheduler } from '../ports.ts';

/** See the head of this file. */
export class CommitAnnouncer {
  readonly #scheduler: Scheduler;
  readonly #lingerMs: number;
  readonly #announce: () => void;
  #announced = 0;
  #waits = false;

  constructor(scheduler: Scheduler, lingerMs: number, announce: () => void) {
    this.#scheduler = scheduler;
    this.#lingerMs = lingerMs;
    this.#announce = announce;
  }

  /** The core has done its work of a turn. */
  look(node: RawNode): void {
    const { role, commit } = node.basicStatus();
    if (role !== 'StateLeader' || commit <= this.#announced || this.#waits) return;
    this.#waits = true;
    this.#scheduler.after(this.#lingerMs, () => {
      this.#waits = false;
      this.#announced = node.basicStatus().commit;
      this.#announce();
    });
  }
}
