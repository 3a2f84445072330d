/** Promises that wait for something in the engine, each with a deadline on the monotonic clock. */
import type { Scheduler } from '../ports.ts';
import { ReplicaError, stopped, type ReplicaErrorCode } from '../errors.ts';

interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
  readonly cancel: () => void;
}

/** Waiters by key. Bounded: over `waitersMax` a new one is refused with REPLICA_BUSY. */
export class Waiters<Key, Value> {
  readonly #waiters = new Map<Key, Waiter<Value>[]>();
  readonly #scheduler: Scheduler;
  readonly #waitersMax: number;
  #count = 0;

  constructor(scheduler: Scheduler, waitersMax: number) {
    this.#scheduler = scheduler;
    this.#waitersMax = waitersMax;
  }

  get size(): number {
    return this.#count;
  }

  has(key: Key): boolean {
    return this.#waiters.has(key);
  }

  keys(): Key[] {
    return [...this.#waiters.keys()];
  }

  /** @param onTimeout the code to reject with when `timeoutMs` have passed */
  wait(key: Key, timeoutMs: number, onTimeout: ReplicaErrorCode): Promise<Value> {
    if (this.#count >= this.#waitersMax) {
      const fields = { waitersMax: this.#waitersMax };
      return Promise.reject(
        new ReplicaError('REPLICA_BUSY', 'too many requests are waiting', { fields }),
      );
    }
    return new Promise<Value>((resolve, reject) => {
      const cancel = this.#scheduler.after(timeoutMs, () => {
        this.#remove(key, waiter);
        reject(new ReplicaError(onTimeout, 'not confirmed in time', { fields: { timeoutMs } }));
      });
      const waiter: Waiter<Value> = { resolve, reject, cancel };
      const list = this.#waiters.get(key);
      if (list === undefined) this.#waiters.set(key, [waiter]);
      else list.push(waiter);
      this.#count += 1;
    });
  }

  resolve(key: Key, value: Value): void {
    for (const waiter of this.#take(key)) waiter.resolve(value);
  }

  reject(key: Key, error: unknown): void {
    for (const waiter of this.#take(key)) waiter.reject(error);
  }

  rejectAll(error: unknown = stopped()): void {
    for (const key of this.keys()) this.reject(key, error);
  }

  #take(key: Key): readonly Waiter<Value>[] {
    const list = this.#waiters.get(key) ?? [];
    this.#waiters.delete(key);
    this.#count -= list.length;
    for (const waiter of list) waiter.cancel();
    return list;
  }

  #remove(key: Key, waiter: Waiter<Value>): void {
    const list = this.#waiters.get(key);
    const at = list?.indexOf(waiter) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    this.#count -= 1;
    if (list.length === 0) this.#waiters.delete(key);
  }
}
