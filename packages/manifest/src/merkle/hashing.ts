/**
 * Hashing of the Merkle tree of RFC 6962 section 2.1 (the same in RFC 9162 section 2.1.1), with
 * SHA-256. Leaves and inner nodes have prefixes of their own, so no leaf passes for a node. Sizes
 * and indexes are safe integers; trees of more than 2^53-1 leaves do not occur.
 */
import type { Crypto } from '@witan/core';

/** Length of a hash in bytes. */
export const MERKLE_HASH_BYTES = 32;

const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

/** `MTH({})`: the hash of nothing. */
export function emptyRoot(crypto: Crypto): Uint8Array {
  return crypto.hash('sha256');
}

/** `MTH({d})`: SHA-256 of 0x00 and the leaf. */
export function leafHash(leaf: Uint8Array, crypto: Crypto): Uint8Array {
  return crypto.hash('sha256', LEAF_PREFIX, leaf);
}

/** SHA-256 of 0x01 and both children. */
export function nodeHash(left: Uint8Array, right: Uint8Array, crypto: Crypto): Uint8Array {
  return crypto.hash('sha256', NODE_PREFIX, left, right);
}

/** The largest power of two below `size`: where RFC 6962 splits a tree of two leaves or more. */
export function splitPoint(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/**
 * The perfect subtrees that make up the first `size` leaves, from left to right: one for each bit
 * that is set. Their hashes are the tree's frontier (a "compact range" from 0).
 */
export function frontierShape(
  size: number,
): readonly { readonly level: number; readonly index: number }[] {
  const shape: { level: number; index: number }[] = [];
  let start = 0;
  for (let level = 52; level >= 0; level -= 1) {
    const width = 2 ** level;
    if (size - start < width) continue;
    shape.push({ level, index: start / width });
    start += width;
  }
  return shape;
}

/** The root over a frontier, folded from the right. */
export function rootOfFrontier(frontier: readonly Uint8Array[], crypto: Crypto): Uint8Array {
  const last = frontier.at(-1);
  if (last === undefined) return emptyRoot(crypto);
  return frontier
    .slice(0, -1)
    .reduceRight<Uint8Array>((root, subtree) => nodeHash(subtree, root, crypto), last);
}
