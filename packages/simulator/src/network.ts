/**
 * The network between processes: loses, repeats, delays and reorders, and can be cut between any
 * two
 * slots in one direction. It changes and invents nothing: channels are attested (I1).
 */
import type { SimProcess } from './process.ts';
import type { SimRandom } from './random.ts';
import type { Timeline } from './timeline.ts';

export interface Noise {
  readonly loss: number;
  readonly duplicate: number;
  /** Mean of the exponentially distributed part of the delay, in milliseconds. */
  readonly delayMs: number;
}

export type Cut = (from: SimProcess, to: SimProcess) => boolean;

export class Network {
  readonly cuts: Set<Cut> = new Set();
  /** Slots whose messages wait until then. */
  readonly cloggedUntilMs: Map<number, number> = new Map();
  noise: Noise;
  #disturbedUntilMs = 0;
  readonly #random: SimRandom;
  readonly #timeline: Timeline;

  constructor(random: SimRandom, timeline: Timeline, noise: Noise) {
    this.#random = random;
    this.#timeline = timeline;
    this.noise = noise;
  }

  /** Something is wrong with it for a while from now. */
  disturb(forMs: number): void {
    this.#disturbedUntilMs = Math.max(this.#disturbedUntilMs, this.#timeline.nowMs + forMs);
  }

  /** For how long it has carried nearly everything, everywhere. */
  get quietForMs(): number {
    return this.#timeline.nowMs - this.#disturbedUntilMs;
  }

  isCut(from: SimProcess, to: SimProcess): boolean {
    if (from.isApart !== to.isApart) return true;
    for (const cut of this.cuts) if (cut(from, to)) return true;
    return false;
  }

  /** Brings something from one process to another; perhaps twice, perhaps never. */
  carry(from: SimProcess, to: SimProcess, arrive: () => void): void {
    const { loss, duplicate } = this.noise;
    if (this.isCut(from, to) || this.#random.chance(loss)) return;
    this.#deliver(from, to, arrive);
    if (this.#random.chance(duplicate)) this.#deliver(from, to, arrive);
  }

  heal(): void {
    this.cuts.clear();
    this.cloggedUntilMs.clear();
    this.noise = { loss: 0, duplicate: 0, delayMs: 1 };
  }

  #deliver(from: SimProcess, to: SimProcess, arrive: () => void): void {
    const { nowMs } = this.#timeline;
    const clogged = Math.max(
      this.cloggedUntilMs.get(from.slot) ?? 0,
      this.cloggedUntilMs.get(to.slot) ?? 0,
      nowMs,
    );
    const delayMs = clogged - nowMs + 0.5 + this.#random.exponential(this.noise.delayMs);
    this.#timeline.after(delayMs, () => {
      to.enter(arrive);
    });
  }
}
