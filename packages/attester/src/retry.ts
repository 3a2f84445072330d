/** Bounded retry with backoff. Which failures deserve another try is the caller's decision. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AttesterError } from './errors.ts';

/** Bounds of retrying after a passing error. */
export interface RetryOptions {
  /** How often to try in all; at least 1. Default 8. */
  readonly attemptsMax?: number;
  /** Wait before the second attempt in milliseconds; doubles each time. Default 20. */
  readonly delayMs?: number;
  /**
   * Longest single wait in milliseconds. Default 2000: AMD firmware limits guest requests to a rate
   * of about one in two seconds on some hosts.
   */
  readonly delayMsMax?: number;
}

/** A failed attempt: try again unless it was the last. */
export interface Transient {
  readonly kind: 'transient';
  readonly error: AttesterError;
}

/** Every option with its value. */
export type RetryPolicy = Required<RetryOptions>;

export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  return {
    attemptsMax: Math.max(1, options.attemptsMax ?? 8),
    delayMs: Math.max(0, options.delayMs ?? 20),
    delayMsMax: Math.max(0, options.delayMsMax ?? 2000),
  };
}

/** @throws AttesterError ATTESTER_ABORTED when `signal` has fired */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new AttesterError('ATTESTER_ABORTED', 'the caller gave up', { cause: signal.reason });
}

/**
 * @param attempt gives the result or says that another attempt may help; anything it throws is
 * final
 * @throws AttesterError the last transient error when all attempts failed, or ATTESTER_ABORTED
 */
export async function retrying<Result>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: () => Promise<{ readonly kind: 'done'; readonly result: Result } | Transient>,
): Promise<Result> {
  let delayMs = policy.delayMs;
  for (let attempts = 1; ; attempts += 1) {
    throwIfAborted(signal);
    const outcome = await attempt();
    if (outcome.kind === 'done') return outcome.result;
    if (attempts >= policy.attemptsMax) throw outcome.error;
    // Jitter from the system's generator: several replicas on one chip must not retry in step.
    const jitteredMs = delayMs * (0.5 + randomInt(1000) / 2000);
    await sleep(jitteredMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throwIfAborted(signal);
    });
    delayMs = Math.min(delayMs * 2, policy.delayMsMax);
  }
}
