/**
 * The logs that a replica can answer with in a recovery: those on its slot's disk, once there is a
 * seed that opens them, and its own, when it survived. Also keeps the seed, and where it came from.
 */
import { Secret, describeError, type ClusterId } from '@witan/core';
import { encodeRecoveryHeader } from '@witan/manifest';
import { encodeSeeds, decodeSeeds, fitsCluster, unnumbered } from '../life/seed-chain.ts';
import type { Seed } from '../ports.ts';
import { electable, furthestFirst, type HeldState } from './decide-recovery.ts';
import type { ClaimedLog, FormerLog, RecoveryPorts, SeedCandidate, SeedSource } from './ports.ts';
import { replayFormerLog, type HeldLog, type ReplayOptions } from './replay.ts';

/** Seeds that open what this replica, or a peer that told it, holds. */
export interface KnownSeed {
  readonly seed: Secret;
  readonly clusterId: ClusterId;
  readonly source: SeedSource;
}

/** Candidates beside the one that is tried: sets of shares of which one may be the newest. */
const OTHERS_MAX = 6;

/** See the head of this file. */
export class HeldLogs<ReferenceValues> {
  readonly #options: ReplayOptions<ReferenceValues> & { readonly ports: RecoveryPorts };
  #claims: readonly ClaimedLog[] | undefined;
  #logs: readonly HeldLog<ReferenceValues>[] = [];
  #memory: HeldLog<ReferenceValues> | undefined;
  #seed: KnownSeed | undefined;
  /** Whether the disks were read with that seed. */
  #opened = false;
  /** What the shares gave that opened nothing here. */
  #triedWith: readonly SeedCandidate[] = [];
  /** What a provider gave that opened nothing here. */
  #triedOf: readonly SeedCandidate[] = [];
  #reading: Promise<void> = Promise.resolve();

  constructor(options: ReplayOptions<ReferenceValues> & { readonly ports: RecoveryPorts }) {
    this.#options = options;
  }

  /** Known once it has opened something, here or at a peer, and the disks here were read. */
  get seed(): KnownSeed | undefined {
    return this.#opened ? this.#seed : undefined;
  }

  /** Reads the disks' claims, once. */
  readClaims(): Promise<void> {
    return this.#oneByOne(async () => {
      if (this.#claims !== undefined) return;
      const { shares, disks } = this.#options.ports;
      this.#claims = await disks.claims();
      for (const { header } of this.#claims) {
        if (header.byteLength > 0) shares.learn(header);
      }
    });
  }

  /** Opens the disks, when there is a seed by now. */
  open(): Promise<void> {
    return this.#oneByOne(() => this.#open());
  }

  /** A peer's seed: it has opened that peer's disk, or was in its memory. */
  takeSeed(known: KnownSeed): void {
    const { clusterId } = known;
    const claimed = this.#claims ?? [];
    // Replicas of another cluster may answer here, and theirs is not the seed that is missing.
    const isForeign = !claimed.some(({ held }) => held.clusterId === clusterId);
    if (this.#seed !== undefined || (claimed.length > 0 && isForeign)) return;
    if (!fitsCluster(this.#options.crypto, known.seed, clusterId)) return;
    this.#seed = { ...known, seed: new Secret(known.seed.expose()) };
  }

  /** What this incarnation itself has held; it takes part in that cluster no more. */
  takeMemory(log: FormerLog): void {
    this.#memory = replayFormerLog(log, this.#options);
    this.#seed = { seed: this.#memory.seed, clusterId: log.clusterId, source: 'memory' };
    this.#opened = false;
  }

  /** What can be answered with: read with the seed, or else what the disks claim. */
  held(): readonly HeldState[] {
    if (this.seed !== undefined) return this.#all().map(({ held }) => held);
    return (this.#claims ?? []).map(({ held }) => held);
  }

  find(state: HeldState): HeldLog<ReferenceValues> | undefined {
    return this.#all().find(
      ({ held }) => held.opening === state.opening && furthestFirst(held, state) === 0,
    );
  }

  /** The furthest of all; undefined before the seed is here. */
  furthest(): HeldLog<ReferenceValues> | undefined {
    return furthestOf(this.#all());
  }

  clear(): void {
    this.#logs = [];
    this.#memory = undefined;
    this.#seed = undefined;
    this.#opened = false;
    this.#triedWith = [];
    this.#triedOf = [];
  }

  #all(): readonly HeldLog<ReferenceValues>[] {
    return this.#memory === undefined ? this.#logs : [this.#memory, ...this.#logs];
  }

  async #open(): Promise<void> {
    if (this.#opened) return;
    const seed = this.#seed;
    if (seed !== undefined) {
      this.#logs = await this.#read(seed.seed, seed.clusterId);
      this.#opened = true;
      this.#learnHeaders();
      return;
    }
    const { shares, providerSeeds } = this.#options.ports;
    if (providerSeeds !== undefined && (await this.#tryProvider(providerSeeds))) return;
    const given = shares.seeds();
    if (given === this.#triedWith) return;
    this.#triedWith = given;
    await this.#try(given, 'shares');
  }

  async #tryProvider(providerSeeds: NonNullable<RecoveryPorts['providerSeeds']>): Promise<boolean> {
    const given = await providerSeeds();
    if (given === this.#triedOf) return false;
    this.#triedOf = given;
    return this.#try(given, 'provider');
  }

  /** @returns whether one of them opens something here */
  async #try(candidates: readonly SeedCandidate[], source: SeedSource): Promise<boolean> {
    for (const { seed, clusterId } of candidates) {
      const logs = await this.#read(this.#withOthers(seed, clusterId, candidates), clusterId);
      const best = furthestOf(logs);
      if (best === undefined) continue;
      // A copy: the cluster that opens with it lives longer than whoever gave it.
      this.#seed = { seed: new Secret(best.seed.expose()), clusterId, source };
      this.#logs = logs;
      this.#opened = true;
      this.#learnHeaders();
      return true;
    }
    return false;
  }

  /**
   * A log may end with the step that put the next seed into force, so that it takes both to read
   * it: that of its beginning, and the one of the newest shares.
   */
  #withOthers(seed: Secret, clusterId: ClusterId, all: readonly SeedCandidate[]): Seed {
    const { seeds, usableFrom, candidates } = decodeSeeds(
      unnumbered(this.#options.crypto, seed, clusterId),
    );
    const others = all.filter((other) => other.clusterId === clusterId && other.seed !== seed);
    const more = others.slice(0, OTHERS_MAX).map((other) => other.seed);
    return encodeSeeds({ seeds, usableFrom, candidates: [...candidates, ...more] });
  }

  /** The sealed state has the header too, whatever a disk says in the clear. */
  #learnHeaders(): void {
    for (const { machine } of this.#all()) this.#learnHeader(machine);
  }

  #learnHeader({ shares: { header } }: HeldLog<ReferenceValues>['machine']): void {
    if (header !== undefined) this.#options.ports.shares.learn(encodeRecoveryHeader(header));
  }

  async #read(seed: Seed, clusterId: ClusterId): Promise<readonly HeldLog<ReferenceValues>[]> {
    const { ports, onEvent, crypto } = this.#options;
    const former = await ports.disks.open(seed);
    const options = {
      ...this.#options,
      onSeedMissing: (machine: HeldLog<ReferenceValues>['machine']) => {
        this.#learnHeader(machine);
      },
    };
    return former
      .filter((log) => log.clusterId === clusterId)
      .flatMap((log) => {
        if (!fitsCluster(crypto, log.seed, clusterId)) {
          // Made up, with all that it opens: what owners have approved is for another seed.
          onEvent('seed refused', { clusterId });
          return [];
        }
        try {
          return [replayFormerLog(log, options)];
        } catch (error) {
          const fields = { incarnation: log.incarnation, error: describeError(error) };
          onEvent('former log refused', fields);
          return [];
        }
      });
  }

  /** Rounds and notices overlap; the disks are read by one of them at a time. */
  #oneByOne(run: () => Promise<void>): Promise<void> {
    const next = this.#reading.then(run);
    this.#reading = next.catch(() => undefined);
    return next;
  }
}

/** The log that could have been elected over the others. */
function furthestOf<Log extends { readonly held: HeldState }>(
  logs: readonly Log[],
): Log | undefined {
  const states = electable(logs.map(({ held }) => held)).toSorted(furthestFirst);
  return logs.find(({ held }) => held === states[0]);
}
