/**
 * P-256 keys and signatures: derived private keys, raw signatures, fingerprints.
 *
 * BigInt arithmetic on the scalar is not constant-time; it runs once per derived key, inside the
 * trusted environment (CPU side channels are outside the threat model).
 */
import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  sign,
  type KeyObject,
} from 'node:crypto';
import {
  assert,
  bytesEqual,
  concatBytes,
  fromHex,
  sha256Hex,
  type Secret,
  type Sha256Hex,
} from '@witan/core';
import { KeysError } from './errors.ts';
import { isUsualEcEncoding, nodeCrypto } from './node-crypto.ts';

/** Bytes of input for one scalar: at least 64 bits more than the order has (FIPS 186-5 A.2.1). */
export const P256_SEED_BYTES = 48;

/** Order of the P-256 group (FIPS 186-5 / SP 800-186 section 3.2.1.3). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

// PrivateKeyInfo (RFC 5208) around ECPrivateKey (RFC 5915) for id-ecPublicKey on prime256v1, with
// a 32-byte scalar before and a 65-byte uncompressed point after PKCS8_MIDDLE.
const PKCS8_HEAD = fromHex(
  '308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420',
);
const PKCS8_MIDDLE = fromHex('a144034200');

/**
 * Makes a private key from 48 uniformly random bytes by FIPS 186-5 A.2.1 (extra random bits):
 * d = (c mod (n - 1)) + 1. Wipes its input.
 */
export function p256KeyFromUniformBytes(uniform: Secret): KeyObject {
  assert(uniform.byteLength === P256_SEED_BYTES, 'a scalar is made from 48 bytes');
  const c = BigInt(`0x${Buffer.from(uniform.expose()).toString('hex')}`);
  const d = (c % (P256_ORDER - 1n)) + 1n;
  const scalar = fromHex(d.toString(16).padStart(64, '0'));
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(scalar);
  const point = ecdh.getPublicKey(null, 'uncompressed');
  const pkcs8 = concatBytes(PKCS8_HEAD, scalar, PKCS8_MIDDLE, point);
  try {
    return createPrivateKey({ key: Buffer.from(pkcs8.buffer), format: 'der', type: 'pkcs8' });
  } finally {
    uniform.wipe();
    scalar.fill(0);
    pkcs8.fill(0);
  }
}

// Keys that passed, so that signing does not encode the key each time.
const CHECKED = new WeakSet<KeyObject>();

/** @throws KeysError KEYS_KEY_NOT_P256 unless the key is on P-256, the curve given by its name */
export function assertP256(key: KeyObject): void {
  if (CHECKED.has(key)) return;
  const kind = describeKey(key);
  const usual = kind !== 'P-256' || isUsualEcEncoding(key, spkiOf(key));
  const found = usual ? kind : 'P-256 in explicit parameters or compressed';
  if (found !== 'P-256') {
    const fields = { expected: 'P-256', found };
    throw new KeysError('KEYS_KEY_NOT_P256', 'key is not on curve P-256', { fields });
  }
  CHECKED.add(key);
}

/** Names a key's kind for error messages: 'P-256', 'EC secp384r1', 'RSA 2048', 'ed25519'. */
export function describeKey(key: KeyObject): string {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ec') {
    return details?.namedCurve === 'prime256v1'
      ? 'P-256'
      : `EC ${details?.namedCurve ?? 'unnamed'}`;
  }
  if (key.asymmetricKeyType === 'rsa') return `RSA ${details?.modulusLength ?? 0}`;
  return key.asymmetricKeyType ?? key.type;
}

/**
 * Signs with ECDSA and SHA-256.
 *
 * @returns r || s, 32 bytes each, big-endian (`ecdsa-p256-sha256` of the Crypto port)
 * @throws KeysError KEYS_KEY_NOT_P256
 */
export function signP256(privateKey: KeyObject, data: Uint8Array): Uint8Array<ArrayBuffer> {
  assertP256(privateKey);
  const signature = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return Uint8Array.from(signature);
}

/** Checks a signature of `signP256`; false for anything malformed. */
export function verifyP256(
  publicKeySpki: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const algorithm = 'ecdsa-p256-sha256';
  return nodeCrypto.verify({ algorithm, publicKey: publicKeySpki, data, signature });
}

// OpenSSL takes longer to write a key out than to make one.
const WRITTEN = new WeakMap<KeyObject, Uint8Array>();

/** DER SubjectPublicKeyInfo of a public key, or of a private key's public half. */
export function spkiOf(key: KeyObject): Uint8Array<ArrayBuffer> {
  const known = WRITTEN.get(key);
  if (known !== undefined) return Uint8Array.from(known);
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  WRITTEN.set(key, spki);
  return Uint8Array.from(spki);
}

const SPKI_HEAD = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');
const SPKI_BYTES = 91;

/** Whether bytes have the one form of a P-256 key here: curve by name, point uncompressed. */
export function isP256Spki(spki: Uint8Array): boolean {
  return (
    spki.byteLength === SPKI_BYTES && bytesEqual(spki.subarray(0, SPKI_HEAD.byteLength), SPKI_HEAD)
  );
}

/** A key's fingerprint: SHA-256 of its DER SubjectPublicKeyInfo. */
export function spkiFingerprint(spki: Uint8Array): Sha256Hex {
  return sha256Hex(createHash('sha256').update(spki).digest('hex'));
}
