/**
 * Newcomers that asked for the slot of a live incarnation. After a restart the old process is taken
 * for alive for a moment, so the newcomer is called a clone only when messages of the holder have
 * come that were sent after it had asked.
 */
import type { IncarnationId } from '@witan/core';
import type { PeerIdentity } from '../standing.ts';

/** Beats after which nothing that was sent before the question is still on its way. */
const UNDER_WAY_BEATS = 3;
const CHALLENGES_MAX = 32;

interface Challenge {
  readonly newcomer: PeerIdentity;
  readonly holder: number;
  beats: number;
  /** Messages of the holder by the time that nothing was under way; undefined before. */
  heard: number | undefined;
}

/** Challenges that nothing was decided about yet. */
export class Challenges {
  readonly #open = new Map<IncarnationId, Challenge>();

  /** @param holder node id of the live incarnation */
  note(newcomer: PeerIdentity, holder: number): void {
    const known = this.#open.get(newcomer.incarnation);
    if (known?.holder === holder || this.#open.size >= CHALLENGES_MAX) return;
    this.#open.set(newcomer.incarnation, { newcomer, holder, beats: 0, heard: undefined });
  }

  /**
   * To be called with every beat.
   *
   * @param heardOf messages of a node so far; undefined where it is no member any more
   * @returns newcomers that are clones: their slot's holder lives
   */
  beat(heardOf: (nodeId: number) => number | undefined): readonly PeerIdentity[] {
    const clones: PeerIdentity[] = [];
    for (const [incarnation, challenge] of this.#open) {
      const heard = heardOf(challenge.holder);
      challenge.beats += 1;
      if (challenge.beats === UNDER_WAY_BEATS) challenge.heard = heard;
      const isAlive = challenge.heard !== undefined && (heard ?? 0) > challenge.heard;
      if (isAlive) clones.push(challenge.newcomer);
      if (isAlive || heard === undefined) this.#open.delete(incarnation);
    }
    return clones;
  }
}
