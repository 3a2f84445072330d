/** Repeatable randomness for tests and simulations. Never for keys. */
import type { Random } from '@witan/core';

/** Small and fast; the same seed gives the same numbers (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % 256;
  };
  return { bytes: (byteLength) => Uint8Array.from({ length: byteLength }, next) };
}
