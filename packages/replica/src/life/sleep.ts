/** Waiting on the injected scheduler. */
import type { Scheduler } from '../ports.ts';

export function sleep(scheduler: Scheduler, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(delayMs, resolve);
  });
}
