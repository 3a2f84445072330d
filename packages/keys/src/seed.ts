/**
 * The cluster's root secret: 32 random bytes from which every other secret derives; see
 * derivations.ts. It lives in attested memory and crosses the network only as invariant I1 allows.
 */
import { Secret, type Brand, type Random } from '@witan/core';
import { KeysError } from './errors.ts';
import { nodeRandom } from './node-crypto.ts';

/** Length of a seed in bytes. */
export const SEED_BYTES = 32;

/** A secret that has been checked to be a seed. */
export type Seed = Brand<Secret, 'Seed'>;

/** Makes the seed of a new cluster. */
export function createSeed(random: Random = nodeRandom): Seed {
  const bytes = random.bytes(SEED_BYTES);
  try {
    return seedFromBytes(bytes);
  } finally {
    bytes.fill(0);
  }
}

/**
 * Takes a private copy of a seed that arrived over an attested channel or from recovery shares.
 *
 * @param bytes exactly 32 bytes; the caller should wipe its own copy
 * @throws KeysError KEYS_SEED_LENGTH
 */
export function seedFromBytes(bytes: Uint8Array): Seed {
  if (bytes.byteLength !== SEED_BYTES) {
    throw new KeysError('KEYS_SEED_LENGTH', 'seed has a wrong length', {
      fields: { expected: SEED_BYTES, found: bytes.byteLength },
    });
  }
  return new Secret(bytes) as Seed;
}
