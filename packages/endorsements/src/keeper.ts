/**
 * What is known already: verified endorsements in memory and on disk.
 *
 * Whatever comes from the disk is verified again, once per process, because the disk belongs to the
 * host. A disk that cannot be written costs the cache and nothing else: endorsements are then used
 * from memory.
 */
import type { UnixMillis } from '@witan/core';
import { DiskCache } from './cache/disk.ts';
import { MemoryCache, type HeldItem } from './cache/memory.ts';
import { entriesOf, prune, type CacheLimits } from './cache/prune.ts';
import { EndorsementsError } from './errors.ts';
import type { OnEndorsementEvent } from './events.ts';
import { MEMORY_BYTES_MAX } from './limits.ts';
import { keyOf, parseKey, type EndorsementRequest } from './request.ts';
import { isOlder, refuseRollback, verifyItem } from './verify/item.ts';
import type { Trust, VerifiedItem } from './verify/trust.ts';

/** An entry of the cache directory that verified. */
export interface ListedItem extends HeldItem {
  /** Size of the content on disk. */
  readonly bytes: number;
}

/** Holds endorsements for one store. */
export class Keeper {
  /** Absent where there is no cache directory. */
  readonly #disk: DiskCache | undefined;
  readonly #memory: MemoryCache = new MemoryCache(MEMORY_BYTES_MAX);
  readonly #trust: Trust;
  readonly #limits: CacheLimits;
  readonly #onEvent: OnEndorsementEvent;

  /** @param directory undefined: memory only */
  constructor(
    directory: string | undefined,
    trust: Trust,
    limits: CacheLimits,
    onEvent: OnEndorsementEvent,
  ) {
    this.#disk = directory === undefined ? undefined : new DiskCache(directory, trust.crypto);
    this.#trust = trust;
    this.#limits = limits;
    this.#onEvent = onEvent;
  }

  /** From memory, else from disk. Never throws for what the disk holds. */
  async find(request: EndorsementRequest): Promise<HeldItem | undefined> {
    return this.#memory.get(keyOf(request)) ?? (await this.findNewest(request));
  }

  /** As `find`, but looks at the disk in any case: another process may have fetched meanwhile. */
  async findNewest(request: EndorsementRequest): Promise<HeldItem | undefined> {
    const key = keyOf(request);
    const remembered = this.#memory.get(key);
    const onDisk = await this.#load(request);
    if (onDisk === undefined || isBehind(onDisk, remembered)) return remembered;
    this.#memory.set(key, onDisk);
    await this.#disk?.touch(key);
    return onDisk;
  }

  /**
   * Keeps a verified endorsement, unless a newer one is kept already.
   *
   * @throws EndorsementsError ENDORSEMENTS_ROLLBACK; not for a disk that cannot be written
   */
  async keep(item: VerifiedItem, fetchedAt: UnixMillis): Promise<void> {
    const kept = await this.findNewest(item.request);
    // Versions of two hierarchies say nothing about each other.
    const comparable = kept?.item.rootFingerprint === item.rootFingerprint;
    refuseRollback(comparable ? kept.item.version : undefined, item.version);
    this.#memory.set(item.key, { item, fetchedAt });
    try {
      await this.write({ item, fetchedAt });
      await this.prune();
    } catch (error) {
      if (!(error instanceof EndorsementsError)) throw error;
      this.#onEvent({ kind: 'cache-unwritable', key: item.key, error });
    }
  }

  /**
   * Writes to disk, without a look at versions.
   *
   * @throws EndorsementsError ENDORSEMENTS_CACHE_UNWRITABLE
   */
  async write({ item, fetchedAt }: HeldItem): Promise<void> {
    const { key, issuerChain, body } = item;
    await this.#disk?.write({ content: { key, issuerChain, body }, fetchedAt });
    this.#memory.set(key, { item, fetchedAt });
  }

  /**
   * Removes what is above the limits.
   *
   * @throws EndorsementsError ENDORSEMENTS_CACHE_UNWRITABLE
   */
  async prune(): Promise<void> {
    if (this.#disk === undefined) return;
    const keys = await prune(this.#disk, this.#limits);
    if (keys.length > 0) this.#onEvent({ kind: 'evicted', keys });
  }

  /** Everything on disk that verifies, ordered by key. */
  async list(): Promise<readonly ListedItem[]> {
    const listed: ListedItem[] = [];
    if (this.#disk === undefined) return listed;
    for (const { key, bytes } of await entriesOf(this.#disk)) {
      const request = parseKey(key);
      const held = request === undefined ? undefined : await this.#load(request);
      if (held !== undefined) listed.push({ ...held, bytes });
    }
    return listed.toSorted((left, right) => (left.item.key < right.item.key ? -1 : 1));
  }

  async #load(request: EndorsementRequest): Promise<HeldItem | undefined> {
    const key = keyOf(request);
    try {
      const kept = await this.#disk?.read(key);
      if (kept === undefined) return undefined;
      const { content, fetchedAt } = kept;
      return { item: verifyItem(request, content, this.#trust), fetchedAt };
    } catch (error) {
      if (!(error instanceof EndorsementsError)) throw error;
      this.#onEvent({ kind: 'cache-damaged', key, error });
      return undefined;
    }
  }
}

function isBehind(held: HeldItem, other: HeldItem | undefined): boolean {
  if (other === undefined) return false;
  const comparable = held.item.rootFingerprint === other.item.rootFingerprint;
  if (comparable && isOlder(held.item.version, other.item.version)) return true;
  return held.fetchedAt < other.fetchedAt;
}
