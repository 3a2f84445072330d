/**
 * Owners' keys as PEM files: P-256, PKCS #8 for the private and SubjectPublicKeyInfo for the public
 * half. Reading names what was found instead, because owners pass the wrong file now and then.
 * Encrypted private keys are not read: the CLI's user decrypts them first.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { Secret, utf8, type Sha256Hex } from '@witan/core';
import { KeysError } from './errors.ts';
import { assertP256, spkiFingerprint, spkiOf } from './p256.ts';

/** Longest PEM text that is read, in characters. */
const PEM_CHARS_MAX = 16_384;

/** A new owner key. */
export interface OwnerKeyPair {
  /** PKCS #8 PEM, as UTF-8. */
  readonly privateKeyPem: Secret;
  /** SubjectPublicKeyInfo PEM; goes into the manifest. */
  readonly publicKeyPem: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo. */
  readonly fingerprint: Sha256Hex;
}

/** Makes an owner's key pair. */
export function generateOwnerKeyPair(): OwnerKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    privateKeyPem: privateKeyPemOf(privateKey),
    publicKeyPem: publicKeyPemOf(publicKey),
    fingerprint: spkiFingerprint(spkiOf(publicKey)),
  };
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
  return readKey(kind, () => createPrivateKey({ key: text, format: 'pem' }));
}

/**
 * Reads an owner's public key.
 *
 * @param pem the file's text: one block, 'PUBLIC KEY'
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE, KEYS_KEY_NOT_P256
 */
export function loadOwnerPublicKey(pem: string): KeyObject {
  const kind = checkPemKind(pem, ['PUBLIC KEY']);
  return readKey(kind, () => createPublicKey({ key: pem, format: 'pem' }));
}

function checkPemKind(text: string, accepted: readonly string[]): string {
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

function readKey(kind: string, read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new KeysError('KEYS_PEM_UNREADABLE', 'PEM block does not hold a readable key', {
      fields: { kind },
      cause,
    });
  }
  assertP256(key);
  return key;
}
