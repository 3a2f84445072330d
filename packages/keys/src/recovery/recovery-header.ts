/**
 * The recovery header: what every disk carries in the clear, so that a threshold of owners can
 * bring a cluster back whose every process is gone.
 *
 *     seed -- sealed under --> recovery key -- split k of n --> shares -- JWE --> owners
 *
 * The recovery key is random and new with each set of shares, so resharing makes all older shares
 * useless for the new header while the seed stays. (A threshold of *old* shares together with an
 * *old* header, from a retired disk or a backup, still gives the seed: only rotating the seed ends
 * that.) Nobody keeps the recovery key: it is wiped when the shares are made.
 *
 * The seal of the seed covers every other field, so a header that was altered, or put together from
 * two, does not open (KEYS_RECOVERY_HEADER_NOT_AUTHENTIC). Before that it is unverified.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import {
  CanonicalError,
  CanonicalReader,
  CanonicalWriter,
  CodedError,
  Secret,
  clusterId,
  fromHex,
  sha256Hex,
  toHex,
  utf8,
  type ClusterId,
  type Random,
  type Sha256Hex,
} from '@witan/core';
import { KeysError } from '../errors.ts';
import { nodeRandom } from '../node-crypto.ts';
import { seedFromBytes, type Seed } from '../seed.ts';
import { SHARE_JWE_CHARS_MAX, ownerFingerprint, sealShare } from './share-envelope.ts';
import { splitSecret } from './shamir.ts';
import {
  RECOVERY_KEY_BYTES,
  SHARES_MAX,
  checkParameters,
  commitmentOf,
  type RecoveryShare,
} from './share.ts';

const LABEL = 'witan/recovery-header/v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SEED_BYTES = 32;
const HEADER_BYTES_MAX: number = 256 * 1024;

/** One owner's share, for the owner's eyes alone. */
export interface DealtShare {
  /** 1 to the number of shares. */
  readonly index: number;
  /** SHA-256 of the owner's DER SubjectPublicKeyInfo. */
  readonly owner: Sha256Hex;
  /** See share.ts. */
  readonly commitment: Sha256Hex;
  /** Compact JWE to the owner's key. */
  readonly jwe: string;
}

/** See the head of this file. */
export interface RecoveryHeader {
  readonly clusterId: ClusterId;
  readonly resharing: number;
  readonly threshold: number;
  /** In order of `index`, from 1. */
  readonly shares: readonly DealtShare[];
  /** Nonce, ciphertext and tag of the seed under the recovery key. */
  readonly wrappedSeed: Uint8Array;
}

/** What shares are made from. */
export interface DealOptions {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  /** Above that of every earlier set. */
  readonly resharing: number;
  readonly threshold: number;
  /** DER SubjectPublicKeyInfo of each owner, all different. */
  readonly owners: readonly Uint8Array[];
  readonly random?: Random;
}

/**
 * Makes a new recovery key, wraps the seed with it, and deals it out.
 *
 * @throws KeysError KEYS_SHARE_PARAMETERS, KEYS_SHARE_OWNER_KEY_UNSUPPORTED
 */
export async function dealShares(options: DealOptions): Promise<RecoveryHeader> {
  const { seed, resharing, threshold, owners, random = nodeRandom } = options;
  checkParameters(threshold, owners.length);
  const fingerprints = owners.map(ownerFingerprint);
  if (new Set(fingerprints).size !== owners.length || resharing < 1) {
    const fields = { resharing, owners: owners.length };
    throw new KeysError('KEYS_SHARE_PARAMETERS', 'owners are not different', { fields });
  }
  const key = random.bytes(RECOVERY_KEY_BYTES);
  const values = splitSecret(key, threshold, owners.length, random);
  try {
    const shares: DealtShare[] = [];
    for (const [at, { index, bytes }] of values.entries()) {
      const binding = { clusterId: options.clusterId, resharing, threshold, count: owners.length };
      const owner = fingerprints[at] ?? ownerFingerprint(new Uint8Array(0));
      const share: RecoveryShare = { ...binding, index, owner, value: new Secret(bytes) };
      const jwe = await sealShare(share, owners[at] ?? new Uint8Array(0));
      shares.push({ index, owner, commitment: commitmentOf(share), jwe });
      share.value.wipe();
    }
    const open = { clusterId: options.clusterId, resharing, threshold, shares };
    return { ...open, wrappedSeed: wrapSeed(seed, key, open, random) };
  } finally {
    key.fill(0);
    for (const { bytes } of values) bytes.fill(0);
  }
}

/** The canonical bytes of a header. */
export function encodeRecoveryHeader(header: RecoveryHeader): Uint8Array {
  return new CanonicalWriter().fixed(encodeOpenPart(header)).bytes(header.wrappedSeed).finish();
}

/** Reads a header without checking it. @throws KeysError KEYS_RECOVERY_HEADER_MALFORMED */
export function decodeRecoveryHeaderUnverified(bytes: Uint8Array): RecoveryHeader {
  if (bytes.byteLength > HEADER_BYTES_MAX) throw malformedHeader('length');
  try {
    const reader = new CanonicalReader(bytes);
    if (reader.text(64) !== LABEL) throw malformedHeader('label');
    const header = {
      clusterId: clusterId(toHex(reader.fixed(32))),
      resharing: reader.u32(),
      threshold: reader.u8(),
      shares: reader.list(SHARES_MAX, readShare),
      wrappedSeed: reader.bytes(NONCE_BYTES + SEED_BYTES + TAG_BYTES),
    };
    reader.end();
    checkHeader(header);
    return header;
  } catch (cause) {
    if (cause instanceof KeysError) throw cause;
    if (cause instanceof CanonicalError || cause instanceof CodedError) {
      throw malformedHeader('encoding', cause);
    }
    throw malformedHeader('encoding');
  }
}

/**
 * Opens the seed with the recovery key, which proves the whole header.
 *
 * @throws KeysError KEYS_RECOVERY_HEADER_NOT_AUTHENTIC
 */
export function unwrapSeed(header: RecoveryHeader, recoveryKey: Uint8Array): Seed {
  const { wrappedSeed } = header;
  const tagAt = wrappedSeed.byteLength - TAG_BYTES;
  const nonce = wrappedSeed.subarray(0, NONCE_BYTES);
  const key = wrappingKey(recoveryKey, header);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(encodeOpenPart(header));
  decipher.setAuthTag(wrappedSeed.subarray(tagAt));
  const seed = decipher.update(wrappedSeed.subarray(NONCE_BYTES, tagAt));
  try {
    decipher.final();
    return seedFromBytes(seed);
  } catch (cause) {
    const message = 'the recovery header does not open: it was altered, or is of other shares';
    throw new KeysError('KEYS_RECOVERY_HEADER_NOT_AUTHENTIC', message, { cause });
  } finally {
    seed.fill(0);
    key.fill(0);
  }
}

type OpenPart = Omit<RecoveryHeader, 'wrappedSeed'>;

function wrapSeed(seed: Seed, recoveryKey: Uint8Array, open: OpenPart, random: Random): Uint8Array {
  const nonce = random.bytes(NONCE_BYTES);
  const key = wrappingKey(recoveryKey, open);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(encodeOpenPart(open));
  const ciphertext = cipher.update(seed.expose());
  cipher.final();
  key.fill(0);
  return Uint8Array.from([...nonce, ...ciphertext, ...cipher.getAuthTag()]);
}

/** HKDF-SHA-256 of the recovery key, bound to cluster and resharing. */
function wrappingKey(recoveryKey: Uint8Array, open: OpenPart): Uint8Array {
  const info = new CanonicalWriter()
    .text('witan/recovery-wrap/v1')
    .fixed(fromHex(open.clusterId))
    .u32(open.resharing)
    .finish();
  return new Uint8Array(hkdfSync('sha256', recoveryKey, new Uint8Array(0), info, 32));
}

function encodeOpenPart(header: OpenPart): Uint8Array {
  return new CanonicalWriter()
    .text(LABEL)
    .fixed(fromHex(header.clusterId))
    .u32(header.resharing)
    .u8(header.threshold)
    .list(header.shares, (writer, share) =>
      writer
        .u8(share.index)
        .fixed(fromHex(share.owner))
        .fixed(fromHex(share.commitment))
        .bytes(utf8(share.jwe)),
    )
    .finish();
}

function readShare(reader: CanonicalReader): DealtShare {
  return {
    index: reader.u8(),
    owner: sha256Hex(toHex(reader.fixed(32))),
    commitment: sha256Hex(toHex(reader.fixed(32))),
    jwe: reader.text(SHARE_JWE_CHARS_MAX),
  };
}

function checkHeader(header: RecoveryHeader): void {
  const { shares, threshold, resharing, wrappedSeed } = header;
  if (threshold < 1 || threshold > shares.length || resharing < 1) throw malformedHeader('numbers');
  if (shares.some(({ index }, at) => index !== at + 1)) throw malformedHeader('indexes');
  const expected = NONCE_BYTES + SEED_BYTES + TAG_BYTES;
  if (wrappedSeed.byteLength !== expected) throw malformedHeader('wrapped seed');
}

function malformedHeader(check: string, cause?: unknown): KeysError {
  const message = 'bytes are not a recovery header';
  return new KeysError('KEYS_RECOVERY_HEADER_MALFORMED', message, {
    fields: { check },
    ...(cause === undefined ? {} : { cause }),
  });
}
