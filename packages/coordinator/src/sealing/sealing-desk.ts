/** A Coordinator's part with a sealing provider, where its measured configuration names one. */
import type { ClusterId } from '@witan/core';
import { seedInForce, type Scheduler, type Seed } from '@witan/replica';
import type { ClaimsNoter } from '../storage/claims-noter.ts';
import { envelopeProvider } from './envelope.ts';
import type { SealingProvider } from './provider.ts';
import { SeedKeeper } from './seed-keeper.ts';
import type { TransitSettings } from './settings.ts';
import {
  UnwrappedSeeds,
  readWrappedSeeds,
  type UnwrappedSeed,
  type WrappedSeed,
} from './unwrapped-seeds.ts';
import { vaultTransit } from './vault-transit.ts';

export interface SealingDeskOptions {
  readonly provider: SealingProvider;
  /** Directories of earlier incarnations' journals. */
  readonly earlier: readonly string[];
  readonly scheduler: Scheduler;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string>>) => void;
}

/** The desk for the provider that the measured configuration names; none where it names none. */
export function sealingDeskOf(
  settings: TransitSettings | undefined,
  options: Omit<SealingDeskOptions, 'provider'>,
): SealingDesk | undefined {
  if (settings === undefined) return undefined;
  return new SealingDesk({ ...options, provider: envelopeProvider(vaultTransit(settings)) });
}

/** What of a cluster is looked at. */
export interface SealedCluster {
  readonly clusterId: ClusterId;
  readonly generation: number;
  /** The seeds of the cluster. */
  readonly seed: Seed;
}

/** See the head of this file. */
export class SealingDesk {
  readonly #keeper: SeedKeeper;
  readonly #unwrapped: UnwrappedSeeds;
  /** Read at once: the journals go when this incarnation votes. */
  readonly #wrapped: Promise<readonly WrappedSeed[]>;
  /** Candidates for a recovery; see `RecoveryPorts.providerSeeds`. */
  readonly seeds: () => Promise<readonly UnwrappedSeed[]>;
  #claims: Pick<ClaimsNoter, 'seedWrapped'> | undefined;
  #keeps: ClusterId | undefined;
  #isNew = false;

  constructor({ provider, earlier, scheduler, onEvent }: SealingDeskOptions) {
    const { name, freshness } = provider;
    onEvent('seed can be opened by a provider', { provider: name, reason: freshness });
    this.#wrapped = readWrappedSeeds(earlier, onEvent);
    this.#unwrapped = new UnwrappedSeeds(provider, () => scheduler.monotonicMs(), onEvent);
    this.seeds = async () => this.#unwrapped.find(await this.#wrapped);
    this.#keeper = new SeedKeeper({
      provider,
      scheduler,
      onEvent,
      onWrapped: (wrapped) => {
        this.#isNew = true;
        this.#claims?.seedWrapped(wrapped);
      },
    });
  }

  /** The state that is in force has changed, or who notes claims about it. */
  changed(cluster: SealedCluster | undefined, claims: ClaimsNoter | undefined): void {
    this.#claims = claims;
    // A cluster lives: what was opened for its recovery is needed no more.
    if (cluster !== undefined) this.#unwrapped.wipe();
    if (cluster === undefined || cluster.generation === 0) return;
    if (this.#keeps !== cluster.clusterId) void this.#carryOver(cluster.clusterId);
    this.#keeps = cluster.clusterId;
    const inForce = seedInForce(cluster.seed);
    if (inForce !== undefined) this.#keeper.keep(cluster.clusterId, inForce);
  }

  stop(): void {
    this.#keeper.stop();
    this.#unwrapped.wipe();
  }

  /** What the last incarnation had wrapped goes on counting until there is a new one. */
  async #carryOver(clusterId: ClusterId): Promise<void> {
    const last = (await this.#wrapped).findLast((item) => item.clusterId === clusterId);
    if (last !== undefined && !this.#isNew) this.#claims?.seedWrapped(last.wrapped);
  }
}
