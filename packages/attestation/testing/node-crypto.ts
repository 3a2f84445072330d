/** The Crypto port on node:crypto, for the tests of this package. */
import { constants, createHash, createPublicKey, verify as verifySignature } from 'node:crypto';
import type { KeyObject, VerifyKeyObjectInput } from 'node:crypto';
import type { Crypto, SignatureCheck } from '@witan/core';

interface Scheme {
  readonly hash: string | null;
  readonly key: string;
  readonly curve?: string;
  readonly options?: Omit<VerifyKeyObjectInput, 'key'>;
}

const pss = (saltLength: number): Omit<VerifyKeyObjectInput, 'key'> => ({
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength,
});
const P256 = { hash: 'sha256', key: 'ec', curve: 'prime256v1' };
const P384 = { hash: 'sha384', key: 'ec', curve: 'secp384r1' };

const SCHEMES: Readonly<Record<SignatureCheck['algorithm'], Scheme>> = {
  'ecdsa-p256-sha256': { ...P256, options: { dsaEncoding: 'ieee-p1363' } },
  'ecdsa-p384-sha384': { ...P384, options: { dsaEncoding: 'ieee-p1363' } },
  'ecdsa-p256-sha256-der': { ...P256, options: { dsaEncoding: 'der' } },
  'ecdsa-p384-sha384-der': { ...P384, options: { dsaEncoding: 'der' } },
  'rsa-pss-sha256': { hash: 'sha256', key: 'rsa', options: pss(32) },
  'rsa-pss-sha384': { hash: 'sha384', key: 'rsa', options: pss(48) },
  'rsa-pkcs1-sha256': {
    hash: 'sha256',
    key: 'rsa',
    options: { padding: constants.RSA_PKCS1_PADDING },
  },
  ed25519: { hash: null, key: 'ed25519' },
};

function importKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

function check({ algorithm, publicKey, data, signature }: SignatureCheck): boolean {
  const scheme = SCHEMES[algorithm];
  const key = importKey(publicKey);
  if (key === undefined || key.asymmetricKeyType !== scheme.key) return false;
  if (scheme.curve !== undefined && key.asymmetricKeyDetails?.namedCurve !== scheme.curve) {
    return false;
  }
  try {
    return verifySignature(scheme.hash, data, { key, ...scheme.options }, signature);
  } catch {
    return false;
  }
}

/** Hashes and signatures by OpenSSL. */
export const testCrypto: Crypto = {
  hash: (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
  verify: check,
};
