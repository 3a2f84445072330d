/**
 * The cache on disk: contents by their SHA-256, and an index entry for each request.
 *
 *     content/<sha256 of the content>   what the vendor sent, with its chain
 *     index/<sha256 of the key>         which content answers the key, and when it was fetched
 *
 * Every file is written under another name and renamed, so several processes may share a directory:
 * each entry always names a whole content, and the last writer wins. A host may put anything there.
 * So what comes out is checked against its digest here and verified down from a root by the caller,
 * and whatever does not fit counts as missing. The time of fetching is only a note.
 */
import { createHash } from 'node:crypto';
import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { BytesError, fromUtf8, utf8, type Crypto, type UnixMillis } from '@witan/core';
import { decodeContent, digestOf, encodeContent, type Content } from '../content.ts';
import { EndorsementsError, errnoOf } from '../errors.ts';
import { CONTENT_BYTES_MAX, INDEX_ENTRY_BYTES_MAX, KEY_LENGTH_MAX } from '../limits.ts';
import { readBounded, writeAtomically } from './files.ts';

/** A content with the time at which it was fetched, in the clock of whoever fetched it. */
export interface Kept {
  readonly content: Content;
  readonly fetchedAt: UnixMillis;
}

/** An entry of the index. */
export interface IndexEntry {
  readonly key: string;
  /** Name of the content. */
  readonly digest: string;
  readonly fetchedAt: UnixMillis;
}

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const ENTRY_VERSION = 1;
const ABSENT: readonly string[] = ['ENOENT', 'ENOTDIR'];

/** Reads and writes one cache directory. */
export class DiskCache {
  readonly #directory: string;
  readonly #crypto: Crypto;

  constructor(directory: string, crypto: Crypto) {
    this.#directory = directory;
    this.#crypto = crypto;
  }

  get indexDirectory(): string {
    return join(this.#directory, 'index');
  }

  get contentDirectory(): string {
    return join(this.#directory, 'content');
  }

  /**
   * What is kept for a key; undefined when there is nothing.
   *
   * @throws EndorsementsError ENDORSEMENTS_CACHE_DAMAGED when something is there that is of no use
   */
  async read(key: string): Promise<Kept | undefined> {
    const name = nameOfKey(key);
    const entry = await this.readEntry(name);
    if (entry === undefined) return undefined;
    if (entry.key !== key) throw damaged(name, 'index entry of another key');
    const path = join(this.contentDirectory, entry.digest);
    const bytes = await readFile(path, CONTENT_BYTES_MAX);
    if (bytes === undefined) throw damaged(entry.digest, 'content is gone');
    if (digestOf(this.#crypto, bytes) !== entry.digest) throw damaged(entry.digest, 'digest');
    const content = decodeContent(bytes);
    if (content.key !== key) throw damaged(entry.digest, 'content of another key');
    return { content, fetchedAt: entry.fetchedAt };
  }

  /**
   * Keeps a content in the place of an earlier one of the same key.
   *
   * @throws EndorsementsError ENDORSEMENTS_CACHE_UNWRITABLE with the system's error
   */
  async write({ content, fetchedAt }: Kept): Promise<void> {
    const encoded = encodeContent(content);
    const digest = digestOf(this.#crypto, encoded);
    const entry = { version: ENTRY_VERSION, key: content.key, content: digest, fetchedAt };
    try {
      await this.create();
      await writeAtomically(join(this.contentDirectory, digest), encoded, FILE_MODE);
      const path = join(this.indexDirectory, nameOfKey(content.key));
      await writeAtomically(path, utf8(`${JSON.stringify(entry)}\n`), FILE_MODE);
    } catch (error) {
      throw unwritable(this.#directory, error);
    }
  }

  /** Makes the directories. Throws system errors. */
  async create(): Promise<void> {
    for (const path of [this.#directory, this.indexDirectory, this.contentDirectory]) {
      await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
    }
  }

  /** Notes that an entry is in use, for the choice of what to remove. Never fails. */
  async touch(key: string): Promise<void> {
    const now = new Date();
    await utimes(join(this.indexDirectory, nameOfKey(key)), now, now).catch(() => undefined);
  }

  /**
   * An entry by its file name; undefined when it does not exist.
   *
   * @throws EndorsementsError ENDORSEMENTS_CACHE_DAMAGED
   */
  async readEntry(name: string): Promise<IndexEntry | undefined> {
    const bytes = await readFile(join(this.indexDirectory, name), INDEX_ENTRY_BYTES_MAX);
    return bytes === undefined ? undefined : parseEntry(name, bytes);
  }
}

/** The file name of a key's index entry. */
export function nameOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** The one-line error for a directory that cannot be written. */
export function unwritable(path: string, error: unknown): EndorsementsError {
  const reason = errnoOf(error) ?? 'unknown';
  const fields = { path, reason };
  return new EndorsementsError('ENDORSEMENTS_CACHE_UNWRITABLE', { fields, cause: error });
}

async function readFile(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
  try {
    const bytes = await readBounded(path, bytesMax);
    if (bytes === undefined) throw damaged(path, 'size');
    return bytes;
  } catch (error) {
    if (error instanceof EndorsementsError) throw error;
    const reason = errnoOf(error);
    if (reason !== undefined && ABSENT.includes(reason)) return undefined;
    throw damaged(path, reason ?? 'unreadable', error);
  }
}

function parseEntry(name: string, bytes: Uint8Array): IndexEntry {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    const fields = new Map<string, unknown>(Object.entries(value ?? {}));
    const [version, key, digest, fetchedAt] = ['version', 'key', 'content', 'fetchedAt'].map(
      (field) => fields.get(field),
    );
    if (
      version === ENTRY_VERSION &&
      typeof key === 'string' &&
      key.length <= KEY_LENGTH_MAX &&
      typeof digest === 'string' &&
      /^[0-9a-f]{64}$/.test(digest) &&
      typeof fetchedAt === 'number' &&
      Number.isSafeInteger(fetchedAt) &&
      fetchedAt >= 0
    ) {
      return { key, digest, fetchedAt: fetchedAt as UnixMillis };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof BytesError)) throw error;
    throw damaged(name, 'index entry', error);
  }
  throw damaged(name, 'index entry');
}

function damaged(path: string, reason: string, cause?: unknown): EndorsementsError {
  return new EndorsementsError('ENDORSEMENTS_CACHE_DAMAGED', { fields: { path, reason }, cause });
}
