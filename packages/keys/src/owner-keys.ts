/**
 * Owners' keys as PEM files, PKCS #8 for the private and SubjectPublicKeyInfo for the public half:
 * P-256 for those who approve, also P-384 and RSA for those who only hold a recovery share. Reading
 * names what was found instead, because owners pass the wrong file now and then.
 * Encrypted private keys are not read: the CLI's user decrypts them first.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { Secret, unreachable, utf8, type Sha256Hex } from '@witan/core';
import { KeysError } from './errors.ts';
import { assertP256, spkiFingerprint, spkiOf } from './p256.ts';
import { assertHoldsShares } from './recovery/share-envelope.ts';

/** Longest PEM text that is read, in characters. */
export const PEM_CHARS_MAX = 16_384;

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
 * Reads an owner's private key.
 *
 * @param pem the file's text: one block, 'PRIVATE KEY' or 'EC PRIVATE KEY' (RFC 5915)
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE, KEYS_KEY_NOT_P256
 */
export function loadOwnerPrivateKey(pem: Secret): KeyObject {
  const text = Buffer.from(pem.expose()).toString('utf8');
  const kind = checkPemKind(text, ['PRIVATE KEY', 'EC PRIVATE KEY']);
  return readP256(kind, () => createPrivateKey({ key: text, format: 'pem' }));
}

/**
 * Reads an owner's public key.
 *
 * @param pem the file's text: one block, 'PUBLIC KEY'
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE, KEYS_KEY_NOT_P256
 */
export function loadOwnerPublicKey(pem: string): KeyObject {
  const kind = checkPemKind(pem, ['PUBLIC KEY']);
  return readP256(kind, () => createPublicKey({ key: pem, format: 'pem' }));
}

/**
 * Reads the private key of an owner who holds a share, of any kind that can.
 *
 * @param pem the file's text: one block, 'PRIVATE KEY', 'EC PRIVATE KEY' or 'RSA PRIVATE KEY'
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE,
 *   KEYS_SHARE_OWNER_KEY_UNSUPPORTED
 */
export function loadShareOwnerPrivateKey(pem: Secret): KeyObject {
  const text = Buffer.from(pem.expose()).toString('utf8');
  const kind = checkPemKind(text, ['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY']);
  const key = readKey(kind, () => createPrivateKey({ key: text, format: 'pem' }));
  assertHoldsShares(key);
  return key;
}

/**
 * Reads the public key of an owner who is to hold a share, of any kind that can.
 *
 * @param pem the file's text: one block, 'PUBLIC KEY'
 * @throws KeysError as `loadShareOwnerPrivateKey`
 */
export function loadShareOwnerPublicKey(pem: string): KeyObject {
  const kind = checkPemKind(pem, ['PUBLIC KEY']);
  const key = readKey(kind, () => createPublicKey({ key: pem, format: 'pem' }));
  assertHoldsShares(key);
  return key;
}

/** @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND */
export function checkPemKind(text: string, accepted: readonly string[]): string {
  const expected = accepted.join(' or ');
  if (text.length > PEM_CHARS_MAX) {
    throw new KeysError('KEYS_PEM_NOT_FOUND', 'text is too long to be a PEM key', {
      fields: { expected, charsMax: PEM_CHARS_MAX, found: text.length },
    });
  }
  const blocks = [...text.matchAll(/^-----BEGIN ([A-Z0-9 ]{1,40})-----\s*$/gm)];
  // `openssl ecparam -genkey` writes the curve's name in a block of its own before the key.
  const kinds = blocks.map((block) => block[1] ?? '').filter((kind) => kind !== 'EC PARAMETERS');
  const [kind] = kinds;
  if (kind === undefined) {
    throw new KeysError('KEYS_PEM_NOT_FOUND', 'text holds no PEM block', { fields: { expected } });
  }
  if (kinds.length > 1 || !accepted.includes(kind)) {
    throw new KeysError('KEYS_PEM_WRONG_KIND', 'PEM text holds something else', {
      fields: { expected, found: kinds.slice(0, 4).join(', ') },
    });
  }
  return kind;
}

function readP256(kind: string, read: () => KeyObject): KeyObject {
  const key = readKey(kind, read);
  assertP256(key);
  return key;
}

/** @throws KeysError KEYS_PEM_UNREADABLE */
export function readKey(kind: string, read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new KeysError('KEYS_PEM_UNREADABLE', 'PEM block does not hold a readable key', {
      fields: { kind },
      cause,
    });
  }
  return key;
}
