/** Numbers for election jitter from the injected source of randomness. */
import type { Random } from '@witan/core';

/** Uniform below `bound`, which is far smaller than 2^32, so that the bias does not matter. */
export function randomBelow(random: Random, bound: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % bound;
}
