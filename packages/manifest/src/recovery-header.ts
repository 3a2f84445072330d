/**
 * The recovery header as data: the seed, wrapped, and one encrypted share for each owner with the
 * role `recovery`. It is replicated and stands in the clear on every disk. What the parts mean, and
 * how they are made and opened, is in the package `keys`; here are its one encoding and the checks
 * that take no key.
 */
import {
  CanonicalWriter,
  clusterId,
  fromHex,
  sha256Hex,
  toHex,
  utf8,
  type CanonicalReader,
  type ClusterId,
  type Sha256Hex,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import { OWNERS_MAX, RECOVERY_HEADER_BYTES_MAX, SHARE_JWE_CHARS_MAX } from './limits.ts';
import { decodeRecord, expectLabel, readDigest } from './records.ts';
import type { ManifestContent, Owner } from './types.ts';

const LABEL = 'witan/recovery-header/v1';
/** Nonce, seed and tag. */
const WRAPPED_SEED_BYTES = 12 + 32 + 16;

/** One owner's share, for the owner's eyes alone. */
export interface DealtShare {
  /** 1 to the number of shares. */
  readonly index: number;
  /** SHA-256 of the owner's DER SubjectPublicKeyInfo. */
  readonly owner: Sha256Hex;
  /** SHA-256 of the share's bytes; see `keys`. */
  readonly commitment: Sha256Hex;
  /** Compact JWE to the owner's key. */
  readonly jwe: string;
}

/** See the head of this file. */
export interface RecoveryHeader {
  readonly clusterId: ClusterId;
  /** 1 for the first shares of a cluster; counts up with each new set. */
  readonly resharing: number;
  /** How many shares open the seed. */
  readonly threshold: number;
  /** In order of `index`, from 1. */
  readonly shares: readonly DealtShare[];
  /** Nonce, ciphertext and tag of the seed under the recovery key. */
  readonly wrappedSeed: Uint8Array;
}

/** Who is to hold shares, and how many of them are needed. */
export interface ShareHolders {
  /** Ascending by fingerprint: the share of index n is for the owner at n-1. */
  readonly owners: readonly Owner[];
  readonly threshold: number;
}

/** The owners of a manifest with the role `recovery`; undefined where there are none. */
export function shareHolders(
  manifest: Pick<ManifestContent<unknown>, 'owners' | 'recoveryThreshold'>,
): ShareHolders | undefined {
  const owners = manifest.owners.filter(({ roles }) => roles.includes('recovery'));
  if (owners.length === 0) return undefined;
  const byFingerprint = (left: Owner, right: Owner): number =>
    left.fingerprint < right.fingerprint ? -1 : 1;
  return { owners: owners.toSorted(byFingerprint), threshold: manifest.recoveryThreshold };
}

/** Whether a header's shares are for exactly these owners, with this threshold. */
export function isDealtTo(header: RecoveryHeader, holders: ShareHolders): boolean {
  const { owners, threshold } = holders;
  return (
    header.threshold === threshold &&
    header.shares.length === owners.length &&
    header.shares.every(({ owner }, at) => owner === owners[at]?.fingerprint)
  );
}

/** The canonical bytes of a header. */
export function encodeRecoveryHeader(header: RecoveryHeader): Uint8Array {
  return new CanonicalWriter()
    .fixed(recoveryHeaderOpenPart(header))
    .bytes(header.wrappedSeed)
    .finish();
}

/** All of a header but the wrapped seed, whose seal covers these bytes. */
export function recoveryHeaderOpenPart(header: Omit<RecoveryHeader, 'wrappedSeed'>): Uint8Array {
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

/**
 * Reads a header. Its numbers fit together; whether it is authentic shows when the seed opens.
 *
 * @throws ManifestError RECORD_MALFORMED
 */
export function decodeRecoveryHeaderUnverified(bytes: Uint8Array): RecoveryHeader {
  return decodeRecord('recovery header', bytes, RECOVERY_HEADER_BYTES_MAX, (reader) => {
    expectLabel(reader, LABEL);
    const header: RecoveryHeader = {
      clusterId: clusterId(readDigest(reader)),
      resharing: reader.u32(),
      threshold: reader.u8(),
      shares: reader.list(OWNERS_MAX, readShare),
      wrappedSeed: reader.bytes(WRAPPED_SEED_BYTES),
    };
    checkHeader(header);
    return header;
  });
}

function readShare(reader: CanonicalReader): DealtShare {
  return {
    index: reader.u8(),
    owner: sha256Hex(readDigest(reader)),
    commitment: sha256Hex(toHex(reader.fixed(32))),
    jwe: reader.text(SHARE_JWE_CHARS_MAX),
  };
}

function checkHeader({ shares, threshold, resharing, wrappedSeed }: RecoveryHeader): void {
  if (threshold < 1 || threshold > shares.length) {
    throw malformed('threshold', `1 to ${shares.length}`, threshold);
  }
  if (resharing < 1) throw malformed('resharing', 'at least 1', resharing);
  const misplaced = shares.find(({ index }, at) => index !== at + 1);
  if (misplaced !== undefined) throw malformed('index', '1, 2, 3, …', misplaced.index);
  if (new Set(shares.map(({ owner }) => owner)).size < shares.length) {
    throw malformed('owner', 'one share for each owner', 'two');
  }
  if (wrappedSeed.byteLength !== WRAPPED_SEED_BYTES) {
    throw malformed('wrappedSeed', WRAPPED_SEED_BYTES, wrappedSeed.byteLength);
  }
}

function malformed(part: string, expected: string | number, found: string | number): ManifestError {
  const fields = { path: `recovery header.${part}`, expected, found };
  return new ManifestError('RECORD_MALFORMED', fields);
}
