/**
 * A recovery share as its owner holds it, opened: bound to cluster, resharing, threshold, number of
 * shares, index and owner, so that one from elsewhere is named instead of spoiling the result.
 *
 * The commitment to a share is the SHA-256 of its bytes. A share holds 32 bytes that nobody can
 * guess, so its commitment gives nothing away, and no other bytes have the same one.
 */
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
  type ClusterId,
  type Sha256Hex,
} from '@witan/core';
import { KeysError } from '../errors.ts';
import { nodeCrypto } from '../node-crypto.ts';

const LABEL = 'witan/recovery-share/v1';

/** Length of the recovery key, and so of what a share holds of it, in bytes. */
export const RECOVERY_KEY_BYTES = 32;
/** Most owners that hold a share. */
export const SHARES_MAX = 64;
/** Largest encoded share in bytes. */
export const SHARE_BYTES_MAX = 256;

/** What a share is bound to; public. */
export interface ShareBinding {
  readonly clusterId: ClusterId;
  /** 1 for the shares of the first manifest; counts up with each new set of shares. */
  readonly resharing: number;
  readonly threshold: number;
  /** Number of shares in the set. */
  readonly count: number;
  /** 1 to `count`. */
  readonly index: number;
  /** SHA-256 of the owner's DER SubjectPublicKeyInfo. */
  readonly owner: Sha256Hex;
}

/** An opened share. */
export interface RecoveryShare extends ShareBinding {
  /** RECOVERY_KEY_BYTES long. */
  readonly value: Secret;
}

/** The bytes that an owner hands to a replica, over an attested channel (I1). */
export function encodeShare(share: RecoveryShare): Secret {
  const bytes = new CanonicalWriter()
    .text(LABEL)
    .fixed(fromHex(share.clusterId))
    .u32(share.resharing)
    .u8(share.threshold)
    .u8(share.count)
    .u8(share.index)
    .fixed(fromHex(share.owner))
    .fixed(share.value.expose())
    .finish();
  try {
    return new Secret(bytes);
  } finally {
    bytes.fill(0);
  }
}

/** @throws KeysError KEYS_SHARE_MALFORMED */
export function decodeShare(bytes: Secret): RecoveryShare {
  try {
    const reader = new CanonicalReader(bytes.expose());
    if (reader.text(64) !== LABEL) throw malformedShare('label');
    const binding = {
      clusterId: clusterId(toHex(reader.fixed(32))),
      resharing: reader.u32(),
      threshold: reader.u8(),
      count: reader.u8(),
      index: reader.u8(),
      owner: sha256Hex(toHex(reader.fixed(32))),
    };
    const value = reader.fixed(RECOVERY_KEY_BYTES);
    reader.end();
    checkNumbers(binding);
    const secret = new Secret(value);
    value.fill(0);
    return { ...binding, value: secret };
  } catch (cause) {
    // The cause may quote what it found, and what it found may be a secret.
    if (cause instanceof CanonicalError) throw malformedShare(cause.code);
    if (cause instanceof CodedError) throw cause;
    throw malformedShare('encoding');
  }
}

/** The commitment to a share: public, 64 hex digits. */
export function commitmentOf(share: RecoveryShare): Sha256Hex {
  const bytes = encodeShare(share);
  const digest = nodeCrypto.hash('sha256', bytes.expose());
  bytes.wipe();
  return sha256Hex(toHex(digest));
}

/** @throws KeysError KEYS_SHARE_PARAMETERS */
export function checkParameters(threshold: number, count: number): void {
  const whole = Number.isInteger(threshold) && Number.isInteger(count);
  if (whole && threshold >= 1 && threshold <= count && count <= SHARES_MAX) return;
  throw new KeysError('KEYS_SHARE_PARAMETERS', 'no such number of shares and threshold', {
    fields: { threshold, count, countMax: SHARES_MAX },
  });
}

/** An error for bytes that are no share; it never quotes them. */
export function malformedShare(check: string): KeysError {
  return new KeysError('KEYS_SHARE_MALFORMED', 'bytes are not a recovery share', {
    fields: { check },
  });
}

function checkNumbers({ threshold, count, index, resharing }: ShareBinding): void {
  const fits = threshold >= 1 && threshold <= count && count <= SHARES_MAX;
  if (!fits || index < 1 || index > count || resharing < 1) throw malformedShare('numbers');
}
