/**
 * Raft's clock: one tick a firing, also after a stall, and only after what waits in the sockets was
 * read. Time in which this process itself did not run must not count as silence of its leader.
 */
import type { Scheduler } from '../ports.ts';

/** Calls `tick` every `tickMs` until the returned function is called. */
export function startTicking(scheduler: Scheduler, tickMs: number, tick: () => void): () => void {
  let cancel = (): void => undefined;
  const schedule = (): void => {
    const dueMs = scheduler.monotonicMs() + tickMs;
    cancel = scheduler.after(tickMs, () => {
      const wasStalled = scheduler.monotonicMs() - dueMs > tickMs;
      schedule();
      scheduler.soon(() => {
        // Behind a stall there is more to read than one round of the event loop brings.
        if (wasStalled) scheduler.soon(tick);
        else tick();
      });
    });
  };
  schedule();
  return () => {
    cancel();
  };
}
