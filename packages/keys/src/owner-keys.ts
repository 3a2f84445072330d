/**
 * Owners' keys: made as PEM, PKCS #8 for the private and SubjectPublicKeyInfo for the public half,
 * and read from PEM or JWK. Encrypted private keys are not read: the CLI's user decrypts them.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Secret, unreachable, utf8, type Sha256Hex } from '@witan/core';
import { readPrivateKey, readPublicKey, type KeyPurpose } from './key-text.ts';
import { assertP256, spkiFingerprint, spkiOf } from './p256.ts';
import { assertHoldsShares, shareAlgorithmOf } from './recovery/share-envelope.ts';

/** A new owner key. */
export interface OwnerKeyPair {
  /** PKCS #8 PEM, as UTF-8. */
  readonly privateKeyPem: Secret;
  /** SubjectPublicKeyInfo PEM; goes into the manifest. */
  readonly publicKeyPem: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo. */
  readonly fingerprint: Sha256Hex;
}

/** What keys are made: P-256 for any role, the others for the role `recovery` alone. */
export type OwnerKeyType = 'p256' | 'p384' | 'rsa3072' | 'rsa4096' | 'ed25519';

/** Makes an owner's key pair; RSA keys take up to some seconds. */
export function generateOwnerKeyPair(type: OwnerKeyType = 'p256'): OwnerKeyPair {
  const { privateKey, publicKey } = generatePair(type);
  return {
    privateKeyPem: privateKeyPemOf(privateKey),
    publicKeyPem: publicKeyPemOf(publicKey),
    fingerprint: spkiFingerprint(spkiOf(publicKey)),
  };
}

function generatePair(type: OwnerKeyType): {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
} {
  switch (type) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    case 'rsa3072':
      return generateKeyPairSync('rsa', { modulusLength: 3072 });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    case 'rsa4096':
      return generateKeyPairSync('rsa', { modulusLength: 4096 });
    default:
      return unreachable(type);
  }
}

/** A private key as PKCS #8 PEM in UTF-8. */
export function privateKeyPemOf(privateKey: KeyObject): Secret {
  return new Secret(utf8(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()));
}

/** A public key as SubjectPublicKeyInfo PEM. */
export function publicKeyPemOf(publicKey: KeyObject): string {
  return publicKey.export({ format: 'pem', type: 'spki' }).toString();
}

/**
 * Reads an owner's private key of the kind P-256.
 *
 * @param text PEM with one block 'PRIVATE KEY' or 'EC PRIVATE KEY' (RFC 5915), or a JWK
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE,
 *   KEYS_JWK_UNREADABLE, KEYS_KEY_NOT_P256
 */
export function loadOwnerPrivateKey(text: Secret): KeyObject {
  const key = readPrivateKey(Buffer.from(text.expose()).toString('utf8'));
  assertP256(key);
  return key;
}

/**
 * Reads the private key of an owner who holds a share, of any kind that can.
 *
 * @param text PEM with one block 'PRIVATE KEY', 'EC PRIVATE KEY' or 'RSA PRIVATE KEY', or a JWK
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE,
 *   KEYS_JWK_UNREADABLE, KEYS_SHARE_OWNER_KEY_UNSUPPORTED
 */
export function loadShareOwnerPrivateKey(text: Secret): KeyObject {
  const key = readPrivateKey(Buffer.from(text.expose()).toString('utf8'));
  assertHoldsShares(key);
  return key;
}

const HOLDING_A_SHARE: KeyPurpose = {
  use: 'enc',
  operations: ['wrapKey', 'encrypt', 'deriveKey', 'deriveBits'],
  algorithmsOf: (key) => [shareAlgorithmOf(key)],
};

/**
 * Reads the public key of an owner who is to hold a share, of any kind that can.
 *
 * @param text the file's text: PEM with one block 'PUBLIC KEY', or a JWK
 * @throws KeysError as `loadShareOwnerPrivateKey`
 */
export function loadShareOwnerPublicKey(text: string): KeyObject {
  return readPublicKey(text, HOLDING_A_SHARE);
}
