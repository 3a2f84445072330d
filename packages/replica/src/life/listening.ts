/** Whom a replica follows, and for how many beats it has heard nothing of a leader. */
import type { EngineStatus } from '../engine.ts';

/** Beats are counted, not measured: a clock that jumps changes nothing. */
export class Listening {
  #leaderId = 0;
  #count = 0;
  #silentBeats = 0;

  get silentBeats(): number {
    return this.#silentBeats;
  }

  /** To be called at even intervals. */
  beat({ role, leaderId, leaderHeard }: EngineStatus): void {
    const isNew = leaderId !== this.#leaderId || leaderHeard !== this.#count;
    const isFine = role === 'leader' || (leaderId !== 0 && isNew);
    this.#leaderId = leaderId;
    this.#count = leaderHeard;
    this.#silentBeats = isFine ? 0 : this.#silentBeats + 1;
  }
}
