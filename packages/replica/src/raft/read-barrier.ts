/**
 * ReadIndex rounds (I5). Reads that arrive while a round is on its way wait for the next one: a
 * round confirms only what was acknowledged before it began. Every round, and every repetition of
 * one, has an id that was never used before, so a delayed answer confirms nothing else
 * (etcd issue 20418).
 */
import { CanonicalWriter, toHex } from '@witan/core';
import type { Scheduler } from '../ports.ts';
import { Waiters } from './waiters.ts';

export interface ReadBarrierOptions {
  readonly scheduler: Scheduler;
  readonly nodeId: number;
  /** Starts a round; may do nothing when there is no leader. */
  readonly readIndex: (context: Uint8Array) => void;
  readonly retryMs: number;
  readonly waitersMax: number;
}

/** Collects reads into rounds and resolves each with the index that it must wait for. */
export class ReadBarrier {
  readonly #options: ReadBarrierOptions;
  readonly #waiters: Waiters<number, number>;
  /** Number of the round that new reads join. */
  #nextRound = 1;
  /** Contexts under way, by hex, to the round that they confirm. */
  readonly #contexts = new Map<string, number>();
  #sequence = 0;
  #flying = false;
  #cancelRetry: (() => void) | undefined;

  constructor(options: ReadBarrierOptions) {
    this.#options = options;
    this.#waiters = new Waiters(options.scheduler, options.waitersMax);
  }

  /** Resolves with the index that the state must have reached. */
  wait(timeoutMs: number): Promise<number> {
    const answer = this.#waiters.wait(this.#nextRound, timeoutMs, 'REPLICA_NO_LEADER');
    if (!this.#flying) this.#start();
    return answer;
  }

  /** A round was confirmed. */
  confirmed(context: Uint8Array, index: number): void {
    const round = this.#contexts.get(toHex(context));
    if (round === undefined) return;
    for (const [key, of] of this.#contexts) if (of <= round) this.#contexts.delete(key);
    for (const key of this.#waiters.keys()) if (key <= round) this.#waiters.resolve(key, index);
    this.#cancelRetry?.();
    this.#flying = false;
    if (this.#waiters.size > 0) this.#start();
  }

  stop(): void {
    this.#cancelRetry?.();
    this.#waiters.rejectAll();
  }

  #start(): void {
    this.#flying = true;
    const round = this.#nextRound;
    this.#nextRound += 1;
    this.#send(round);
  }

  #send(round: number): void {
    this.#sequence += 1;
    const context = new CanonicalWriter().u64(this.#options.nodeId).u64(this.#sequence).finish();
    this.#contexts.set(toHex(context), round);
    this.#cancelRetry = this.#options.scheduler.after(this.#options.retryMs, () => {
      this.#again(round);
    });
    this.#options.readIndex(context);
  }

  #again(round: number): void {
    if (this.#waiters.size === 0) {
      this.#flying = false;
      this.#contexts.clear();
      return;
    }
    // Everybody who waits may be answered by this fresh round, also those who came meanwhile.
    const newest = Math.max(round, ...this.#waiters.keys());
    this.#nextRound = newest + 1;
    this.#contexts.clear();
    this.#send(newest);
  }
}
