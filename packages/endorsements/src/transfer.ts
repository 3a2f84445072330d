/** Export and import of bundles: between the cache directory and one file. */
import type { Clock, UnixMillis } from '@witan/core';
import type { HeldItem } from './cache/memory.ts';
import { readBounded, writeAtomically } from './cache/files.ts';
import { decodeBundle, encodeBundle, type ManifestEntry } from './bundle.ts';
import { digestOf } from './content.ts';
import { EndorsementsError, errnoOf } from './errors.ts';
import type { Keeper } from './keeper.ts';
import { BUNDLE_BYTES_MAX } from './limits.ts';
import { ENDORSEMENT_KINDS, type EndorsementKind } from './request.ts';
import { refuseRollback } from './verify/item.ts';
import type { Trust } from './verify/trust.ts';

/** What goes into a bundle; everything when nothing is said. */
export interface BundleSelection {
  readonly kinds?: readonly EndorsementKind[];
  /** Keys as `list` shows them. Each must be there. */
  readonly keys?: readonly string[];
}

/** What was written. */
export interface ExportReport {
  readonly file: string;
  readonly bytes: number;
  /** Of the whole file, in hex: what a site compares after carrying it. */
  readonly sha256: string;
  readonly manifest: readonly ManifestEntry[];
}

/** What became of a bundle. */
export interface ImportReport {
  readonly file: string;
  /** Now in the cache. */
  readonly imported: readonly string[];
  /** Left out: the cache has newer ones. */
  readonly keptNewer: readonly string[];
  /** Left out: not valid at this time. */
  readonly expired: readonly string[];
}

/** Bundles hold public data and are carried by people. */
const BUNDLE_MODE = 0o644;

/**
 * Writes a bundle of what the cache directory holds.
 *
 * @throws EndorsementsError ENDORSEMENTS_FILE, ENDORSEMENTS_OFFLINE for a key that the cache does
 *   not have, ENDORSEMENTS_OPTION_INVALID or ENDORSEMENTS_TOO_LARGE
 */
export async function exportBundle(
  keeper: Keeper,
  trust: Trust,
  file: string,
  selection: BundleSelection = {},
): Promise<ExportReport> {
  const chosen = select(await keeper.list(), selection);
  const { bytes, manifest } = encodeBundle(chosen, trust);
  try {
    await writeAtomically(file, bytes, BUNDLE_MODE);
  } catch (error) {
    throw fileError(file, error);
  }
  return { file, bytes: bytes.byteLength, sha256: digestOf(trust.crypto, bytes), manifest };
}

/**
 * Takes a bundle into the cache directory. Either every item verifies, or nothing is taken.
 *
 * @throws EndorsementsError ENDORSEMENTS_FILE, ENDORSEMENTS_CACHE_UNWRITABLE, and what
 *   `decodeBundle` throws
 */
export async function importBundle(
  keeper: Keeper,
  trust: Trust,
  clock: Clock,
  file: string,
): Promise<ImportReport> {
  const items = decodeBundle(await readBundle(file), trust);
  const now = clock.now();
  const imported: string[] = [];
  const keptNewer: string[] = [];
  const expired: string[] = [];
  for (const { item, fetchedAt } of items) {
    if (now < item.notBefore || now > item.notAfter) {
      expired.push(item.key);
    } else if (await isNewerKept(keeper, { item, fetchedAt })) {
      keptNewer.push(item.key);
    } else {
      // A note from elsewhere: never younger than the moment at which it arrives here.
      await keeper.write({ item, fetchedAt: Math.min(fetchedAt, now) as UnixMillis });
      imported.push(item.key);
    }
  }
  if (imported.length > 0) await keeper.prune();
  return { file, imported, keptNewer, expired };
}

async function isNewerKept(keeper: Keeper, { item, fetchedAt }: HeldItem): Promise<boolean> {
  const kept = await keeper.findNewest(item.request);
  if (kept === undefined || kept.item.rootFingerprint !== item.rootFingerprint) return false;
  try {
    refuseRollback(kept.item.version, item.version);
    // The same thing fetched earlier must not make the kept one look older than it is.
    return Buffer.compare(kept.item.body, item.body) === 0 && kept.fetchedAt > fetchedAt;
  } catch (error) {
    if (error instanceof EndorsementsError) return true;
    throw error;
  }
}

function select(all: readonly HeldItem[], { kinds, keys }: BundleSelection): readonly HeldItem[] {
  const unknown = kinds?.find((kind) => !ENDORSEMENT_KINDS.includes(kind));
  if (unknown !== undefined) {
    const fields = { option: 'kinds', expected: [...ENDORSEMENT_KINDS], found: unknown };
    throw new EndorsementsError('ENDORSEMENTS_OPTION_INVALID', { fields });
  }
  const have = new Set(all.map(({ item }) => item.key));
  const absent = keys?.find((key) => !have.has(key));
  if (absent !== undefined) {
    throw new EndorsementsError('ENDORSEMENTS_OFFLINE', { fields: { key: absent.slice(0, 80) } });
  }
  return all.filter(
    ({ item }) =>
      (kinds === undefined || kinds.includes(item.request.kind)) &&
      (keys === undefined || keys.includes(item.key)),
  );
}

async function readBundle(file: string): Promise<Uint8Array> {
  try {
    const bytes = await readBounded(file, BUNDLE_BYTES_MAX);
    if (bytes !== undefined) return bytes;
  } catch (error) {
    throw fileError(file, error);
  }
  const fields = { path: file, expected: `at most ${BUNDLE_BYTES_MAX} bytes` };
  throw new EndorsementsError('ENDORSEMENTS_TOO_LARGE', { fields });
}

function fileError(path: string, cause: unknown): EndorsementsError {
  const fields = { path, reason: errnoOf(cause) ?? 'unknown' };
  return new EndorsementsError('ENDORSEMENTS_FILE', { fields, cause });
}
