/**
 * Checking proofs that come from outside (RFC 9162 sections 2.1.3.2 and 2.1.4.2). Nothing of a
 * proof is believed: sizes are bounded, every hash has its length, none is missing or left over,
 * and each way to be wrong is a typed error (I10).
 */
import { bytesEqual, toHex, type Crypto } from '@witan/core';
import { ManifestError } from '../errors.ts';
import {
  emptyRoot,
  MERKLE_HASH_BYTES,
  nodeHash,
  rootOfFrontier,
  frontierShape,
} from './hashing.ts';

/** A proof has at most this many hashes: one for each level on either side. */
export const MERKLE_PROOF_HASHES_MAX = 106;

/** Size and root of a log: what is signed, and what two parties compare. */
export interface TreeHead {
  /** Number of leaves. */
  readonly size: number;
  /** SHA-256. */
  readonly root: Uint8Array;
}

const isOdd = (value: number): boolean => value % 2 === 1;
const half = (value: number): number => Math.floor(value / 2);

/**
 * Checks that a leaf is in a log.
 *
 * @param hash `leafHash` of the leaf
 * @param index of the leaf, from 0
 * @throws ManifestError MERKLE_PROOF_MALFORMED, MERKLE_INCLUSION_INVALID
 */
export function verifyInclusion(
  hash: Uint8Array,
  index: number,
  head: TreeHead,
  proof: readonly Uint8Array[],
  crypto: Crypto,
): void {
  checkShape([hash, head.root, ...proof], [index, head.size]);
  if (index >= head.size) throw malformed('inclusion.index', `below ${head.size}`, index);
  let node = index;
  let last = head.size - 1;
  let root = hash;
  for (const sibling of proof) {
    if (last === 0) throw malformed('inclusion.proof', 'no further hash', proof.length);
    if (isOdd(node) || node === last) {
      root = nodeHash(sibling, root, crypto);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      root = nodeHash(root, sibling, crypto);
    }
    node = half(node);
    last = half(last);
  }
  if (last !== 0) throw malformed('inclusion.proof', 'more hashes', proof.length);
  if (bytesEqual(root, head.root)) return;
  throw differs('MERKLE_INCLUSION_INVALID', 'inclusion.root', head.root, root);
}

/**
 * Checks that a log only grew: the first `before.size` leaves of `after` are those of `before`.
 *
 * @throws ManifestError MERKLE_PROOF_MALFORMED, MERKLE_LOG_SHRANK, MERKLE_INCONSISTENT
 */
export function verifyConsistency(
  before: TreeHead,
  after: TreeHead,
  proof: readonly Uint8Array[],
  crypto: Crypto,
): void {
  checkShape([before.root, after.root, ...proof], [before.size, after.size]);
  if (before.size > after.size) {
    const fields = { path: 'consistency.size', expected: before.size, found: after.size };
    throw new ManifestError('MERKLE_LOG_SHRANK', fields);
  }
  if (before.size === 0 || before.size === after.size) {
    if (proof.length > 0) throw malformed('consistency.proof', 'no hashes', proof.length);
    const expected = before.size === 0 ? emptyRoot(crypto) : after.root;
    if (bytesEqual(before.root, expected)) return;
    throw differs('MERKLE_INCONSISTENT', 'consistency.root', before.root, expected);
  }
  const [old, grown] = foldConsistency(before, after, proof, crypto);
  if (!bytesEqual(old, before.root)) {
    throw differs('MERKLE_INCONSISTENT', 'consistency.before', before.root, old);
  }
  if (!bytesEqual(grown, after.root)) {
    throw differs('MERKLE_INCONSISTENT', 'consistency.after', after.root, grown);
  }
}

/** Both roots that a proof leads to (RFC 9162 section 2.1.4.2). */
function foldConsistency(
  before: TreeHead,
  after: TreeHead,
  proof: readonly Uint8Array[],
  crypto: Crypto,
): readonly [Uint8Array, Uint8Array] {
  const isPerfect = frontierShape(before.size).length === 1;
  const path = isPerfect ? [before.root, ...proof] : proof;
  const [seed, ...rest] = path;
  if (seed === undefined) throw malformed('consistency.proof', 'at least one hash', 0);
  let node = before.size - 1;
  let last = after.size - 1;
  while (isOdd(node)) {
    node = half(node);
    last = half(last);
  }
  let old = seed;
  let grown = seed;
  for (const hash of rest) {
    if (last === 0) throw malformed('consistency.proof', 'no further hash', proof.length);
    if (isOdd(node) || node === last) {
      old = nodeHash(hash, old, crypto);
      grown = nodeHash(hash, grown, crypto);
      while (!isOdd(node) && node !== 0) {
        node = half(node);
        last = half(last);
      }
    } else {
      grown = nodeHash(grown, hash, crypto);
    }
    node = half(node);
    last = half(last);
  }
  if (last !== 0) throw malformed('consistency.proof', 'more hashes', proof.length);
  return [old, grown];
}

/**
 * Checks a frontier against the head it is said to belong to.
 *
 * @throws ManifestError MERKLE_PROOF_MALFORMED, MERKLE_INCONSISTENT
 */
export function verifyFrontier(
  head: TreeHead,
  frontier: readonly Uint8Array[],
  crypto: Crypto,
): void {
  checkShape([head.root, ...frontier], [head.size]);
  const expected = frontierShape(head.size).length;
  if (frontier.length !== expected) {
    throw malformed('frontier', `${expected} hashes`, frontier.length);
  }
  const root = rootOfFrontier(frontier, crypto);
  if (bytesEqual(root, head.root)) return;
  throw differs('MERKLE_INCONSISTENT', 'frontier.root', head.root, root);
}

function checkShape(hashes: readonly Uint8Array[], numbers: readonly number[]): void {
  if (hashes.length > MERKLE_PROOF_HASHES_MAX + 2) {
    throw malformed('proof', `at most ${MERKLE_PROOF_HASHES_MAX} hashes`, hashes.length);
  }
  const odd = hashes.find(({ byteLength }) => byteLength !== MERKLE_HASH_BYTES);
  if (odd !== undefined) {
    throw malformed('proof', `hashes of ${MERKLE_HASH_BYTES} bytes`, odd.byteLength);
  }
  const bad = numbers.find((number) => !Number.isSafeInteger(number) || number < 0);
  if (bad !== undefined) throw malformed('proof', 'sizes from 0 to 2^53-1', String(bad));
}

function malformed(path: string, expected: string, found: string | number): ManifestError {
  return new ManifestError('MERKLE_PROOF_MALFORMED', { path, expected, found });
}

function differs(
  code: 'MERKLE_INCLUSION_INVALID' | 'MERKLE_INCONSISTENT',
  path: string,
  expected: Uint8Array,
  found: Uint8Array,
): ManifestError {
  return new ManifestError(code, { path, expected: toHex(expected), found: toHex(found) });
}
