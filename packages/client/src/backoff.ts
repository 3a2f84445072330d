/** Waiting between rounds of attempts. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '@witan/core';

/** Bounds of the delay, in milliseconds. */
export interface BackoffLimits {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * The delay before another round: exponential with full jitter, so that many clients that lost the
 * same replica do not come back together.
 *
 * @param round rounds so far, from 1
 */
export function backoffMs(round: number, limits: BackoffLimits, random: Random): number {
  const ceiling = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(round - 1, 20));
  const [high = 0, low = 0] = random.bytes(2);
  return Math.ceil(((high * 256 + low + 1) / 65_536) * ceiling);
}

/** Resolves after the delay, or at once when aborted. */
export async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Aborted: the caller looks at the signal.
  }
}

/** Fisher and Yates, so that clients spread over the replicas. */
export function shuffled<Item>(items: readonly Item[], random: Random): readonly Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const [high = 0, low = 0] = random.bytes(2);
    const other = (high * 256 + low) % (last + 1);
    [result[last], result[other]] = [result[other] as Item, result[last] as Item];
  }
  return result;
}
