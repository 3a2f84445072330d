/**
 * Wrapped seeds on this slot's disk, and what a provider makes of them when no cluster lives. What
 * comes of it are candidates: a recovery takes up only a seed that opens a log, and its rules of
 * freshness do not change by where a seed comes from.
 */
import { CodedError, describeError, type ClusterId } from '@witan/core';
import type { Seed } from '@witan/keys';
import { readSummaryUnverified } from '../storage/former-log.ts';
import type { SealingProvider } from './provider.ts';
import { SEED_LABEL } from './seed-keeper.ts';

/** Journals that are looked at. */
const DIRECTORIES_MAX = 16;
/** Pause before a provider that failed is asked again, in milliseconds. */
const RETRY_MS = 5_000;

type OnEvent = (event: string, fields: Readonly<Record<string, string>>) => void;

/** A wrapped seed, and the cluster that a disk claims it to be of. */
export interface WrappedSeed {
  readonly wrapped: Uint8Array;
  readonly clusterId: ClusterId;
}

/** A seed, and the cluster that it was wrapped for. */
export interface UnwrappedSeed {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
}

/** Reads what disks claim, the host's word. Never rejects. */
export async function readWrappedSeeds(
  earlier: readonly string[],
  onEvent: OnEvent,
): Promise<readonly WrappedSeed[]> {
  const found: WrappedSeed[] = [];
  for (const directory of earlier.slice(0, DIRECTORIES_MAX)) {
    try {
      const summary = await readSummaryUnverified(directory);
      const { clusterId, claims } = summary ?? {};
      if (clusterId === undefined) continue;
      for (const wrapped of claims?.wrappedSeeds ?? []) found.push({ wrapped, clusterId });
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      onEvent('wrapped seed not read', { error: describeError(error) });
    }
  }
  return found;
}

/** See the head of this file. */
export class UnwrappedSeeds {
  readonly #provider: SealingProvider;
  readonly #nowMs: () => number;
  readonly #onEvent: OnEvent;
  #found: readonly UnwrappedSeed[] = [];
  #notBeforeMs = 0;

  constructor(provider: SealingProvider, nowMs: () => number, onEvent: OnEvent) {
    this.#provider = provider;
    this.#nowMs = nowMs;
    this.#onEvent = onEvent;
  }

  /** Never rejects; none where the provider gives none, and then it is asked again later. */
  async find(all: readonly WrappedSeed[]): Promise<readonly UnwrappedSeed[]> {
    if (this.#found.length > 0 || this.#nowMs() < this.#notBeforeMs) return this.#found;
    this.#notBeforeMs = this.#nowMs() + RETRY_MS;
    const found: UnwrappedSeed[] = [];
    for (const item of all) {
      const seed = await this.#unwrap(item);
      if (seed !== undefined) found.push({ seed, clusterId: item.clusterId });
    }
    this.#found = found;
    return found;
  }

  /** Overwrites what was found. */
  wipe(): void {
    for (const { seed } of this.#found) seed.wipe();
    this.#found = [];
  }

  async #unwrap({ wrapped, clusterId }: WrappedSeed): Promise<Seed | undefined> {
    const { name } = this.#provider;
    try {
      const seed = await this.#provider.unwrap(wrapped, { clusterId, label: SEED_LABEL });
      this.#onEvent('seed unwrapped', { provider: name, clusterId });
      return seed;
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#onEvent('seed not unwrapped', { provider: name, error: describeError(error) });
      return undefined;
    }
  }
}
