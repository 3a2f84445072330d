/**
 * Shares as files. An opened share is a text in the form of PEM (RFC 7468), which survives mail and
 * paper; the bytes inside are those that `encodeShare` makes, and those are read as they are too,
 * because an owner whose key is in a safe device opens the JWE with another program.
 */
import {
  Secret,
  clusterId,
  fromBase64,
  sha256Hex,
  toBase64,
  utf8,
  type Sha256Hex,
} from '@witan/core';
import { SHARE_JWE_CHARS_MAX, type RecoveryHeader } from '@witan/manifest';
import { KeysError } from '../errors.ts';
import { ShareCollector } from './share-collector.ts';
import { SHARE_JWE_TYPE } from './share-envelope.ts';
import {
  decodeShare,
  encodeShare,
  malformedShare,
  type RecoveryShare,
  type ShareBinding,
} from './share.ts';

const LABEL = 'WITAN RECOVERY SHARE';
const LINE_CHARS = 64;
const FILE_BYTES_MAX = 4096;
const TEXT = new RegExp(
  `^-----BEGIN ${LABEL}-----\\s+([A-Za-z0-9+/=\\s]{1,2000}?)\\s*-----END ${LABEL}-----\\s*$`,
);

/** The text to keep secret, as UTF-8. */
export function encodeShareFile(share: RecoveryShare): Secret {
  const bytes = encodeShare(share);
  const body = toBase64(bytes.expose());
  bytes.wipe();
  const lines = body.match(new RegExp(`.{1,${LINE_CHARS}}`, 'g')) ?? [];
  const text = [`-----BEGIN ${LABEL}-----`, ...lines, `-----END ${LABEL}-----`, ''].join('\n');
  return new Secret(utf8(text));
}

/**
 * Reads an opened share from a file's bytes, in either form.
 *
 * @throws KeysError KEYS_SHARE_MALFORMED, which never quotes what it found
 */
export function decodeShareFile(file: Secret): RecoveryShare {
  const bytes = file.expose();
  if (bytes.byteLength > FILE_BYTES_MAX) throw malformedShare('length');
  const text = Buffer.from(bytes).toString('latin1');
  if (/^[\w-]+(?:\.[\w-]+){4}\s*$/.test(text)) throw malformedShare('opened with witan share open');
  if (!text.startsWith('-----')) return decodeShare(file);
  const body = TEXT.exec(text)?.[1];
  if (body === undefined) throw malformedShare('text');
  let raw: Uint8Array;
  try {
    raw = fromBase64(body.replaceAll(/\s/g, ''));
  } catch {
    // The cause would quote the text.
    throw malformedShare('base64');
  }
  const inner = new Secret(raw);
  raw.fill(0);
  try {
    return decodeShare(inner);
  } finally {
    inner.wipe();
  }
}

/** What a JWE says of its share in the clear. */
export interface ShareEnvelope extends ShareBinding {
  /** See share.ts. */
  readonly commitment: Sha256Hex;
}

/**
 * Reads what a JWE says of its share, without opening it: anybody can have written it.
 *
 * @throws KeysError KEYS_SHARE_MALFORMED
 */
export function readShareEnvelopeUnverified(jwe: string): ShareEnvelope {
  const [head = ''] = jwe.split('.', 1);
  if (jwe.length > SHARE_JWE_CHARS_MAX) throw malformedShare('length');
  try {
    const header = JSON.parse(Buffer.from(head, 'base64url').toString('utf8')) as unknown;
    const fields = new Map(Object.entries(header as Readonly<Record<string, unknown>>));
    if (fields.get('typ') !== SHARE_JWE_TYPE) throw malformedShare('type');
    const numbers = /^(\d{1,3}) of (\d{1,3}), (\d{1,3}) needed$/.exec(
      textOf(fields, 'witan-share'),
    );
    const [index = 0, count = 0, threshold = 0] = (numbers ?? []).slice(1).map(Number);
    return {
      clusterId: clusterId(textOf(fields, 'witan-cluster')),
      resharing: Number(fields.get('witan-resharing')),
      threshold,
      count,
      index,
      owner: sha256Hex(textOf(fields, 'kid')),
      commitment: sha256Hex(textOf(fields, 'witan-commitment')),
    };
  } catch (cause) {
    if (cause instanceof KeysError) throw cause;
    throw malformedShare('JWE header');
  }
}

/**
 * Checks an opened share against the JWE that it is said to come from.
 *
 * @throws KeysError KEYS_SHARE_MALFORMED for the JWE; KEYS_SHARE_WRONG_CLUSTER,
 *   KEYS_SHARE_WRONG_RESHARING, KEYS_SHARE_MIXED, KEYS_SHARE_DAMAGED
 */
export function checkShareAgainstJwe(jwe: string, share: RecoveryShare): void {
  const {
    clusterId: cluster,
    owner,
    resharing,
    threshold,
    commitment,
    index,
    count,
  } = readShareEnvelopeUnverified(jwe);
  // As a header that knows this one owner: the collector names what differs.
  const unknown = sha256Hex('0'.repeat(64));
  const shares = Array.from({ length: count }, (_, at) => ({
    index: at + 1,
    owner: at + 1 === index ? owner : unknown,
    commitment,
    jwe: '',
  }));
  const wrappedSeed = new Uint8Array(0);
  checkShare({ clusterId: cluster, resharing, threshold, shares, wrappedSeed }, share);
}

/**
 * Checks an opened share against a recovery header.
 *
 * @throws KeysError KEYS_SHARE_WRONG_CLUSTER, KEYS_SHARE_WRONG_RESHARING, KEYS_SHARE_MIXED,
 *   KEYS_SHARE_DAMAGED
 */
export function checkShare(header: RecoveryHeader, share: RecoveryShare): void {
  new ShareCollector(header).add(encodeShare(share));
}

function textOf(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string') throw malformedShare(name);
  return value;
}
