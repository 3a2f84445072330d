/**
 * Keeps a cache directory within its limits: the least recently used entries go first. Contents
 * that no entry names and temporary files of crashed writers go too, once they are old enough not
 * to belong to a write in progress.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { EndorsementsError } from '../errors.ts';
import { unwritable, type DiskCache } from './disk.ts';

/** Bounds of a cache directory. */
export interface CacheLimits {
  readonly itemsMax: number;
  /** Sum of all contents. */
  readonly bytesMax: number;
}

/** Age from which a file that nothing refers to is removed. */
const ORPHAN_AGE_MS = 60 * 60 * 1000;
/** A directory with more files than this is not one that this program filled. */
const FILES_MAX = 100_000;

interface Found {
  readonly name: string;
  readonly usedAt: number;
  readonly bytes: number;
}

interface Entry extends Found {
  readonly key: string;
  readonly digest: string;
}

/**
 * @returns the keys of removed entries
 * @throws EndorsementsError ENDORSEMENTS_CACHE_UNWRITABLE
 */
export async function prune(cache: DiskCache, limits: CacheLimits): Promise<readonly string[]> {
  try {
    return await removeSurplus(cache, limits);
  } catch (error) {
    throw asUnwritable(cache, error);
  }
}

/** All readable entries of the index with their sizes, the most recently used first. */
export async function entriesOf(cache: DiskCache): Promise<readonly Entry[]> {
  const contents = new Map(
    (await filesIn(cache.contentDirectory)).map(({ name, bytes }) => [name, bytes]),
  );
  const entries: Entry[] = [];
  for (const file of await filesIn(cache.indexDirectory)) {
    const entry = await cache.readEntry(file.name).catch(() => undefined);
    if (entry === undefined) continue;
    const { key, digest } = entry;
    entries.push({ ...file, key, digest, bytes: contents.get(digest) ?? 0 });
  }
  return entries.toSorted((left, right) => right.usedAt - left.usedAt);
}

async function removeSurplus(cache: DiskCache, limits: CacheLimits): Promise<readonly string[]> {
  const entries = await entriesOf(cache);
  const removed: string[] = [];
  const kept = new Set<string>();
  let bytes = 0;
  for (const [position, entry] of entries.entries()) {
    bytes += entry.bytes;
    if (position < limits.itemsMax && bytes <= limits.bytesMax) {
      kept.add(entry.digest);
      continue;
    }
    await rm(join(cache.indexDirectory, entry.name), { force: true });
    removed.push(entry.key);
  }
  const surplus = new Set(entries.map(({ digest }) => digest).filter((each) => !kept.has(each)));
  for (const directory of [cache.contentDirectory, cache.indexDirectory]) {
    for (const file of await filesIn(directory)) {
      const orphan = isOld(file) && isOrphan(file, entries, directory === cache.contentDirectory);
      if (orphan || (directory === cache.contentDirectory && surplus.has(file.name))) {
        await rm(join(directory, file.name), { force: true });
      }
    }
  }
  return removed;
}

function isOrphan({ name }: Found, entries: readonly Entry[], isContent: boolean): boolean {
  return isContent
    ? entries.every(({ digest }) => digest !== name)
    : entries.every((entry) => entry.name !== name);
}

function isOld({ usedAt }: Found): boolean {
  return Date.now() - usedAt > ORPHAN_AGE_MS;
}

async function filesIn(directory: string): Promise<readonly Found[]> {
  const names = await readdir(directory).catch(() => []);
  const files: Found[] = [];
  for (const name of names.slice(0, FILES_MAX)) {
    const found = await stat(join(directory, name)).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    files.push({ name, usedAt: found.mtimeMs, bytes: found.size });
  }
  return files;
}

function asUnwritable(cache: DiskCache, error: unknown): EndorsementsError {
  return unwritable(cache.indexDirectory, error);
}
