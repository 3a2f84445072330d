/** Real digests, and no signature that is ever good: nothing is signed in a simulation. */
import { createHash } from 'node:crypto';
import type { Crypto } from '@witan/core';

export const simCrypto: Crypto = {
  hash: (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
  verify: () => false,
};
