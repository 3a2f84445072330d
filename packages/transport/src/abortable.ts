/** Waiting that ends with a signal, without leaving anything on the signal. */
import { TransportError } from './errors.ts';

/** Reason of every ended call; shared, because making an error for each call costs more than it. */
export const CALL_OVER: TransportError = new TransportError('CALL_CANCELLED', 'call is over');

/**
 * @returns the value of `step`, or rejects with `failure()` once the signal is aborted
 *
 * Not Promise.race: on a stream of a million messages that would hang a million reactions on one
 * long-lived promise.
 */
export function untilAborted<Value>(
  step: Promise<Value>,
  signal: AbortSignal,
  failure: () => Error,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(failure());
    if (signal.aborted) {
      step.catch(() => undefined);
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    step.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
