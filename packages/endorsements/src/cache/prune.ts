/**
 * Keeps a cache directory within its limits: the least recently used entries go first. Contents
 * that no entry names and temporary files of crashed writers go too, once they are old enough not
 * to belong to a write in progress.
 */
import { lstat, opendir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE_FILES_MAX } from '../limits.ts';
import { unwritable, type DiskCache } from './disk.ts';

/** Bounds of a cache directory. */
export interface CacheLimits {
  readonly itemsMax: number;
  /** Sum of all contents. */
  readonly bytesMax: number;
}

/** Age from which a file that nothing refers to is removed. */
const ORPHAN_AGE_MS = 60 * 60 * 1000;

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
    throw unwritable(cache.indexDirectory, error);
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
  const digests = new Set(entries.map(({ digest }) => digest));
  for (const file of await filesIn(cache.contentDirectory)) {
    const surplus = digests.has(file.name) ? !kept.has(file.name) : isOld(file);
    if (surplus) await rm(join(cache.contentDirectory, file.name), { force: true });
  }
  const names = new Set(entries.map(({ name }) => name));
  for (const file of await filesIn(cache.indexDirectory)) {
    const surplus = !names.has(file.name) && isOld(file);
    if (surplus) await rm(join(cache.indexDirectory, file.name), { force: true });
  }
  return removed;
}

function isOld({ usedAt }: Found): boolean {
  return Date.now() - usedAt > ORPHAN_AGE_MS;
}

async function filesIn(directory: string): Promise<readonly Found[]> {
  const opened = await opendir(directory).catch(() => undefined);
  if (opened === undefined) return [];
  const files: Found[] = [];
  let seen = 0;
  for await (const { name } of opened) {
    seen += 1;
    if (seen > CACHE_FILES_MAX) break;
    const found = await lstat(join(directory, name)).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    files.push({ name, usedAt: found.mtimeMs, bytes: found.size });
  }
  return files;
}
