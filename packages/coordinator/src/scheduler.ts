/** The driver's Scheduler port on Node's timers. */
import type { Scheduler } from '@witan/replica';

export const nodeScheduler: Scheduler = {
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
  soon: (callback) => {
    setImmediate(callback);
  },
};
