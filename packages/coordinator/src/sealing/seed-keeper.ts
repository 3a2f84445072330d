/**
 * Keeps the seed in force wrapped by a provider on this replica's disk: once for each incarnation
 * and seed, when it is a member of a cluster with a manifest, and again until it has succeeded.
 * Nothing waits for it.
 */
import { describeError, type ClusterId, type Secret } from '@witan/core';
import { seedFromBytes } from '@witan/keys';
import type { HeldSeed, Scheduler } from '@witan/replica';
import type { SealingProvider } from './provider.ts';

/** What is wrapped under this label opens a whole cluster. */
export const SEED_LABEL = 'seed';

/** Pause before the next attempt, in milliseconds; doubled each time up to the last. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;

export interface SeedKeeperOptions {
  readonly provider: SealingProvider;
  readonly scheduler: Scheduler;
  /** Puts it on disk, in the clear. */
  readonly onWrapped: (wrapped: Uint8Array) => void;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string>>) => void;
}

/** See the head of this file. */
export class SeedKeeper {
  readonly #options: SeedKeeperOptions;
  readonly #abort = new AbortController();
  /** Cluster and number of the seed. */
  #keeps: string | undefined;

  constructor(options: SeedKeeperOptions) {
    this.#options = options;
  }

  /** To be called whenever a state with a manifest is in force; does its work once. */
  keep(clusterId: ClusterId, { number, seed }: HeldSeed): void {
    const name = `${clusterId}/${number}`;
    if (this.#keeps === name) return;
    this.#keeps = name;
    void this.#wrap(name, clusterId, seed, RETRY_MS);
  }

  stop(): void {
    this.#abort.abort();
  }

  async #wrap(name: string, clusterId: ClusterId, seed: Secret, retryMs: number): Promise<void> {
    const { provider, scheduler, onWrapped, onEvent } = this.#options;
    const isMeant = (): boolean => this.#keeps === name && !this.#abort.signal.aborted;
    try {
      const own = seedFromBytes(seed.expose());
      const binding = { clusterId, label: SEED_LABEL };
      const wrapped = await provider.wrap(own, binding, this.#abort.signal);
      if (!isMeant()) return;
      onWrapped(wrapped);
      onEvent('seed wrapped', { provider: provider.name });
    } catch (error) {
      if (!isMeant()) return;
      onEvent('seed not wrapped yet', { provider: provider.name, error: describeError(error) });
      scheduler.after(retryMs, () => {
        if (isMeant()) void this.#wrap(name, clusterId, seed, Math.min(retryMs * 2, RETRY_MS_MAX));
      });
    }
  }
}
