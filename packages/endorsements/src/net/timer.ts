/** Waiting, as a port: tests give one whose time passes at once. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A monotonic clock that can be waited on. Says nothing about the time of day. */
export interface Timer {
  /** Milliseconds since some fixed moment. */
  nowMs(): number;
  /** Resolves after so many milliseconds; rejects with the signal's reason when it fires first. */
  wait(durationMs: number, signal: AbortSignal): Promise<void>;
}

/** The machine's own. */
export const systemTimer: Timer = {
  nowMs: () => performance.now(),
  wait: async (durationMs, signal) => {
    await sleep(durationMs, undefined, { signal });
  },
};
