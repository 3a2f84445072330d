/** Waiting on the injected scheduler. */
import type { Scheduler } from '../ports.ts';

export function sleep(scheduler: Scheduler, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(delayMs, resolve);
  });
}

/** What comes of a promise within a time, else undefined. */
export function within<Value>(
  scheduler: Scheduler,
  timeoutMs: number,
  promise: Promise<Value>,
): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = scheduler.after(timeoutMs, () => {
      resolve(undefined);
    });
    promise.then(resolve, reject).finally(cancel);
  });
}
