/**
 * Bundles: endorsements in one file, for sites without a network.
 *
 * A bundle is JSON in one canonical form: items ordered by key, fields in fixed order, no spaces
 * but one newline at the end. So equal contents give equal files, which a site may sign or compare.
 * The file itself proves nothing: each item is verified down from a root when it is imported.
 */
import { BytesError, fromBase64, fromUtf8, toBase64, unixMillis, utf8 } from '@witan/core';
import { IdError, type UnixMillis } from '@witan/core';
import { PEM_BYTES_MAX } from '@witan/attestation';
import type { HeldItem } from './cache/memory.ts';
import { EndorsementsError } from './errors.ts';
import { BODY_BYTES_MAX, BUNDLE_BYTES_MAX, BUNDLE_ITEMS_MAX } from './limits.ts';
import { parseKey } from './request.ts';
import { verifyItem } from './verify/item.ts';
import type { Trust } from './verify/trust.ts';

const FORMAT = 'witan-endorsements';
const VERSION = 1;
const ITEM_FIELDS = 'body,fetchedAt,issuerChain,key';
/** Base64 has four letters for three bytes. */
const BODY_LETTERS_MAX: number = Math.ceil(BODY_BYTES_MAX / 3) * 4;
const CHAIN_LETTERS_MAX: number = Math.ceil(PEM_BYTES_MAX / 3) * 4;

interface BundleItem {
  readonly key: string;
  readonly fetchedAt: UnixMillis;
  readonly issuerChain: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * Writes a bundle.
 *
 * @throws EndorsementsError ENDORSEMENTS_TOO_LARGE
 */
export function encodeBundle(held: readonly HeldItem[]): Uint8Array {
  const items = held.map(({ item, fetchedAt }) => ({ ...item, fetchedAt })).toSorted(byKey);
  const bytes = write(items);
  if (items.length > BUNDLE_ITEMS_MAX || bytes.byteLength > BUNDLE_BYTES_MAX) {
    throw new EndorsementsError('ENDORSEMENTS_TOO_LARGE', {
      fields: { expected: `at most ${BUNDLE_ITEMS_MAX} items and ${BUNDLE_BYTES_MAX} bytes` },
    });
  }
  return bytes;
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
  // One spelling only; this also refuses order, repetitions, spaces and fields that slipped through.
  if (Buffer.compare(write(items.toSorted(byKey)), bytes) !== 0) throw malformed('canonical form');
  return items.map((item) => verified(item, trust));
}

function verified({ key, issuerChain, body, fetchedAt }: BundleItem, trust: Trust): HeldItem {
  const request = parseKey(key);
  if (request === undefined) throw unknownItem(key);
  try {
    return { item: verifyItem(request, { issuerChain, body }, trust), fetchedAt };
  } catch (error) {
    if (!(error instanceof EndorsementsError)) throw error;
    const fields = { ...error.fields, key };
    throw new EndorsementsError(error.code, { fields, cause: error.cause });
  }
}

function write(items: readonly BundleItem[]): Uint8Array {
  const list = items.map(({ key, fetchedAt, issuerChain, body }) => ({
    key,
    fetchedAt,
    issuerChain: toBase64(issuerChain),
    body: toBase64(body),
  }));
  return utf8(`${JSON.stringify({ format: FORMAT, version: VERSION, items: list })}\n`);
}

function read(bytes: Uint8Array): readonly BundleItem[] {
  const fields = fieldsOf(parse(bytes), 'bundle');
  if (fields.get('format') !== FORMAT || fields.get('version') !== VERSION || fields.size !== 3) {
    throw malformed(`${FORMAT} version ${VERSION}`);
  }
  const items = fields.get('items');
  if (!Array.isArray(items) || items.length > BUNDLE_ITEMS_MAX) {
    throw malformed(`at most ${BUNDLE_ITEMS_MAX} items`);
  }
  const read = items.map(readItem);
  if (new Set(read.map(({ key }) => key)).size !== read.length) throw malformed('distinct keys');
  return read;
}

function readItem(value: unknown): BundleItem {
  const fields = fieldsOf(value, 'item');
  const key = fields.get('key');
  const fetchedAt = fields.get('fetchedAt');
  if (typeof key !== 'string' || typeof fetchedAt !== 'number') throw malformed('item');
  if (parseKey(key) === undefined) throw unknownItem(key);
  if ([...fields.keys()].toSorted().join(',') !== ITEM_FIELDS) throw malformed('fields of items');
  try {
    return {
      key,
      fetchedAt: unixMillis(fetchedAt),
      issuerChain: readBytes(fields.get('issuerChain'), CHAIN_LETTERS_MAX),
      body: readBytes(fields.get('body'), BODY_LETTERS_MAX),
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

function fieldsOf(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(what);
  return new Map(Object.entries(value));
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof BytesError)) throw error;
    throw malformed('JSON', error);
  }
}

function byKey(left: { readonly key: string }, right: { readonly key: string }): number {
  return left.key < right.key ? -1 : 1;
}

function malformed(expected: string, cause?: unknown): EndorsementsError {
  return new EndorsementsError('ENDORSEMENTS_BUNDLE_MALFORMED', { fields: { expected }, cause });
}

function unknownItem(key: string): EndorsementsError {
  const found = key.slice(0, 80);
  return new EndorsementsError('ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM', { fields: { found } });
}
