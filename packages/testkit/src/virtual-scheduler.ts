/** A scheduler whose time moves only when a test says so. */
import type { Scheduler } from '@witan/replica';

/** Virtual time. `run` fires timers in order and lets promises settle between them. */
export class VirtualScheduler implements Scheduler {
  #nowMs = 0;
  #sequence = 0;
  readonly #timers: { atMs: number; sequence: number; callback: () => void }[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    this.#sequence += 1;
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence, callback };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  soon(callback: () => void): void {
    this.after(0, callback);
  }

  async run(forMs: number, until: () => boolean = () => false): Promise<boolean> {
    const endMs = this.#nowMs + forMs;
    for (;;) {
      await settle();
      if (until()) return true;
      this.#timers.sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > endMs) {
        this.#nowMs = endMs;
        return until();
      }
      this.#timers.shift();
      this.#nowMs = next.atMs;
      next.callback();
    }
  }
}

/** Lets promises that are ready run their continuations. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 32; turn += 1) await Promise.resolve();
}
