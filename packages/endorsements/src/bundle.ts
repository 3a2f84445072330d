/**
 * Bundles: endorsements in one file, for sites without a network.
 *
 * A bundle is JSON in one canonical form: first a manifest that lists each content with its
 * SHA-256, then the contents in the same order; ordered by key, fields in fixed order, no spaces
 * but one newline at the end. So equal contents give equal files, which a site may sign or compare,
 * and a person can read at the top what is inside. The file itself proves nothing: each content is
 * verified down from a root when it is imported, and the manifest must be the one that follows.
 */
import { PEM_BYTES_MAX } from '@witan/attestation';
import { BytesError, IdError, fromBase64, fromUtf8, toBase64, unixMillis, utf8 } from '@witan/core';
import type { UnixMillis } from '@witan/core';
import type { HeldItem } from './cache/memory.ts';
import { digestOf, encodeContent, type Content } from './content.ts';
import { EndorsementsError } from './errors.ts';
import { BODY_BYTES_MAX, BUNDLE_BYTES_MAX, BUNDLE_ITEMS_MAX } from './limits.ts';
import { parseKey } from './request.ts';
import { verifyItem } from './verify/item.ts';
import type { Trust } from './verify/trust.ts';

const FORMAT = 'witan-endorsements';
const VERSION = 1;
const BUNDLE_FIELDS = 'contents,format,manifest,version';
const ENTRY_FIELDS = 'bytes,fetchedAt,key,sha256,validFrom,validUntil';
const CONTENT_FIELDS = 'body,issuerChain';
/** Base64 has four letters for three bytes. */
const BODY_LETTERS_MAX: number = Math.ceil(BODY_BYTES_MAX / 3) * 4;
const CHAIN_LETTERS_MAX: number = Math.ceil(PEM_BYTES_MAX / 3) * 4;

/** One line of a bundle's manifest. Times are in milliseconds since 1970. */
export interface ManifestEntry {
  readonly key: string;
  /** Of the content in its encoding, in hex; its name in a cache as well. */
  readonly sha256: string;
  /** Size of that encoding. */
  readonly bytes: number;
  readonly fetchedAt: number;
  readonly validFrom: number;
  readonly validUntil: number;
}

interface BundleItem {
  readonly key: string;
  readonly sha256: string;
  readonly fetchedAt: UnixMillis;
  readonly issuerChain: Uint8Array;
  readonly body: Uint8Array;
}

/** A bundle with what its manifest says. */
export interface EncodedBundle {
  readonly bytes: Uint8Array;
  readonly manifest: readonly ManifestEntry[];
}

/**
 * Writes a bundle.
 *
 * @throws EndorsementsError ENDORSEMENTS_TOO_LARGE
 */
export function encodeBundle(held: readonly HeldItem[], { crypto }: Trust): EncodedBundle {
  const ordered = held.toSorted((left, right) => (left.item.key < right.item.key ? -1 : 1));
  const manifest = ordered.map(({ item, fetchedAt }): ManifestEntry => {
    const { key, issuerChain, body, notBefore, notAfter } = item;
    const encoded = encodeContent({ key, issuerChain, body });
    return {
      key,
      sha256: digestOf(crypto, encoded),
      bytes: encoded.byteLength,
      fetchedAt,
      validFrom: notBefore,
      validUntil: notAfter,
    };
  });
  const contents = ordered.map(({ item: { issuerChain, body } }) => ({
    issuerChain: toBase64(issuerChain),
    body: toBase64(body),
  }));
  const value = { format: FORMAT, version: VERSION, manifest, contents };
  const bytes = utf8(`${JSON.stringify(value)}\n`);
  if (manifest.length > BUNDLE_ITEMS_MAX || bytes.byteLength > BUNDLE_BYTES_MAX) {
    throw new EndorsementsError('ENDORSEMENTS_TOO_LARGE', {
      fields: { expected: `at most ${BUNDLE_ITEMS_MAX} items and ${BUNDLE_BYTES_MAX} bytes` },
    });
  }
  return { bytes, manifest };
}

/**
 * Reads a bundle and verifies every item down from an accepted root. Times are not looked at.
 *
 * @throws EndorsementsError ENDORSEMENTS_TOO_LARGE, ENDORSEMENTS_BUNDLE_MALFORMED,
 *   ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM, or for an item ENDORSEMENTS_ANSWER_UNUSABLE and
 *   ENDORSEMENTS_UNVERIFIED with its key
 */
export function decodeBundle(bytes: Uint8Array, trust: Trust): readonly HeldItem[] {
  if (bytes.byteLength > BUNDLE_BYTES_MAX) {
    throw new EndorsementsError('ENDORSEMENTS_TOO_LARGE', {
      fields: { expected: `at most ${BUNDLE_BYTES_MAX} bytes`, found: bytes.byteLength },
    });
  }
  const items = read(bytes);
  if (new Set(items.map(({ key }) => key)).size !== items.length) throw malformed('distinct keys');
  const held = items.map((item) => verified(item, trust));
  // One spelling only; this also refuses order, repetitions, spaces and whatever else slipped
  // through, and a manifest with other times or sizes than those of its contents.
  const again = encodeBundle(held, trust).bytes;
  if (Buffer.compare(again, bytes) !== 0) throw malformed('canonical form');
  return held;
}

/** Whether a JSON value says that it is a bundle. */
export function isBundle(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, 'format') === FORMAT;
}

/**
 * The contents of a bundle as they stand there, for a verifier that is given them as hints.
 *
 * @throws EndorsementsError ENDORSEMENTS_BUNDLE_MALFORMED, ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM
 */
export function readBundleUnverified(bytes: Uint8Array): readonly Content[] {
  return read(bytes).map(({ key, issuerChain, body }) => ({ key, issuerChain, body }));
}

function verified(
  { key, sha256, issuerChain, body, fetchedAt }: BundleItem,
  trust: Trust,
): HeldItem {
  const request = parseKey(key);
  if (request === undefined) throw unknownItem(key);
  const found = digestOf(trust.crypto, encodeContent({ key, issuerChain, body }));
  if (found !== sha256) {
    const fields = { key, expected: `SHA-256 ${sha256}`, found };
    throw new EndorsementsError('ENDORSEMENTS_BUNDLE_MALFORMED', { fields });
  }
  try {
    return { item: verifyItem(request, { issuerChain, body }, trust), fetchedAt };
  } catch (error) {
    if (!(error instanceof EndorsementsError)) throw error;
    const fields = { ...error.fields, key };
    throw new EndorsementsError(error.code, { fields, cause: error.cause });
  }
}

function read(bytes: Uint8Array): readonly BundleItem[] {
  const fields = fieldsOf(parse(bytes), 'bundle', BUNDLE_FIELDS);
  if (fields.get('format') !== FORMAT || fields.get('version') !== VERSION) {
    throw malformed(`${FORMAT} version ${VERSION}`);
  }
  const manifest = listOf(fields.get('manifest'));
  const contents = listOf(fields.get('contents'));
  if (manifest.length !== contents.length)
    throw malformed('a content for each line of the manifest');
  return manifest.map((entry, index) => readItem(entry, contents[index]));
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value) && value.length <= BUNDLE_ITEMS_MAX) return value;
  throw malformed(`at most ${BUNDLE_ITEMS_MAX} items`);
}

function readItem(entryValue: unknown, contentValue: unknown): BundleItem {
  const entry = fieldsOf(entryValue, 'line of the manifest');
  const key = entry.get('key');
  if (typeof key !== 'string') throw malformed('a key for each item');
  if (parseKey(key) === undefined) throw unknownItem(key);
  demandFields(entry, key, ENTRY_FIELDS);
  const content = fieldsOf(contentValue, key, CONTENT_FIELDS);
  const sha256 = entry.get('sha256');
  const fetchedAt = entry.get('fetchedAt');
  if (typeof sha256 !== 'string' || typeof fetchedAt !== 'number') throw malformed(key);
  try {
    return {
      key,
      sha256: sha256.slice(0, 64),
      fetchedAt: unixMillis(fetchedAt),
      issuerChain: readBytes(content.get('issuerChain'), CHAIN_LETTERS_MAX),
      body: readBytes(content.get('body'), BODY_LETTERS_MAX),
    };
  } catch (error) {
    if (error instanceof BytesError || error instanceof IdError) throw malformed(key, error);
    throw error;
  }
}

function readBytes(value: unknown, lettersMax: number): Uint8Array {
  if (typeof value !== 'string' || value.length > lettersMax) throw malformed('base64 in limits');
  return fromBase64(value);
}

function fieldsOf(value: unknown, what: string, names?: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(what);
  const fields = new Map(Object.entries(value));
  if (names !== undefined) demandFields(fields, what, names);
  return fields;
}

function demandFields(fields: ReadonlyMap<string, unknown>, what: string, names: string): void {
  if ([...fields.keys()].toSorted().join(',') !== names) throw malformed(`${what} of ${names}`);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof BytesError)) throw error;
    throw malformed('JSON', error);
  }
}

function malformed(expected: string, cause?: unknown): EndorsementsError {
  return new EndorsementsError('ENDORSEMENTS_BUNDLE_MALFORMED', { fields: { expected }, cause });
}

function unknownItem(key: string): EndorsementsError {
  const found = key.slice(0, 80);
  return new EndorsementsError('ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM', { fields: { found } });
}
