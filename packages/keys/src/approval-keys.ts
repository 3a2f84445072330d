/**
 * Owners' keys that sign approvals: EC P-256 and P-384, RSA of 3072 bits and more, Ed25519, as PEM
 * or JWK. Signs with `jose`, in the one spelling that the packages of the cluster accept, and reads
 * signatures that were made elsewhere.
 */
import type { KeyObject } from 'node:crypto';
import { FlattenedSign } from 'jose';
import { BytesError, concatBytes, fromBase64, type Secret } from '@witan/core';
import {
  approvalHeaderText,
  detachedJws,
  jwsAlgorithmOf,
  type ApprovalHeader,
  type OwnerKeyKind,
} from '@witan/manifest';
import { KeysError } from './errors.ts';
import { readPrivateKey, readPublicKey, type KeyPurpose } from './key-text.ts';
import { describeKey } from './p256.ts';

const RSA_BITS_MIN = 3072;
const RSA_BITS_MAX = 8192;

/**
 * Reads an owner's private key of any kind that signs approvals.
 *
 * @param text PEM with one block 'PRIVATE KEY', 'EC PRIVATE KEY' or 'RSA PRIVATE KEY', or a JWK
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE,
 *   KEYS_JWK_UNREADABLE, KEYS_OWNER_KEY_UNSUPPORTED
 */
export function loadApprovalKey(text: Secret): KeyObject {
  const key = readPrivateKey(Buffer.from(text.expose()).toString('utf8'));
  ownerKeyKindOf(key);
  return key;
}

const APPROVING: KeyPurpose = {
  use: 'sig',
  operations: ['verify'],
  algorithmsOf: (key) => {
    const algorithm = jwsAlgorithmOf(ownerKeyKindOf(key));
    // RFC 8037 section 3.1: the name before RFC 9864 gave the curve one of its own.
    return algorithm === 'Ed25519' ? [algorithm, 'EdDSA'] : [algorithm];
  },
};

/**
 * Reads the public key of an owner who is to approve, of any kind that signs.
 *
 * @param text the file's text: PEM with one block 'PUBLIC KEY', or a JWK
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE,
 *   KEYS_JWK_UNREADABLE, KEYS_OWNER_KEY_UNSUPPORTED
 */
export function loadApprovalPublicKey(text: string): KeyObject {
  return readPublicKey(text, APPROVING);
}

/** @throws KeysError KEYS_OWNER_KEY_UNSUPPORTED for a key that no manifest takes */
export function ownerKeyKindOf(key: KeyObject): OwnerKeyKind {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') {
    if (namedCurve === 'prime256v1') return 'p256';
    if (namedCurve === 'secp384r1') return 'p384';
  }
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  const isLarge = modulusLength >= RSA_BITS_MIN && modulusLength <= RSA_BITS_MAX;
  if (key.asymmetricKeyType === 'rsa' && isLarge) return 'rsa';
  const expected = `P-256, P-384, RSA of ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits, or Ed25519`;
  const fields = { expected, found: describeKey(key) };
  throw new KeysError('KEYS_OWNER_KEY_UNSUPPORTED', 'key cannot sign approvals', { fields });
}

/**
 * Signs an approval or a withdrawal.
 *
 * @param header with the algorithm of the key
 * @returns a detached JWS
 */
export async function signJws(
  key: KeyObject,
  header: ApprovalHeader,
  content: Uint8Array,
): Promise<Uint8Array> {
  const { algorithm: alg, expiresSeconds: exp, owner: kid, use: typ } = header;
  const made = await new FlattenedSign(content)
    .setProtectedHeader({ alg, exp, kid, typ })
    .sign(key);
  const jws = detachedJws(header, Buffer.from(made.signature, 'base64url'));
  const head = Buffer.from(made.protected ?? '', 'base64url').toString();
  // The library writes the header; whoever checks it accepts one spelling.
  if (head !== approvalHeaderText(header) || alg !== jwsAlgorithmOf(ownerKeyKindOf(key))) {
    const fields = { expected: approvalHeaderText(header), found: head };
    throw new KeysError('KEYS_OWNER_KEY_UNSUPPORTED', 'header is spelt otherwise', { fields });
  }
  return jws;
}

const COORDINATE_BYTES: Readonly<Record<OwnerKeyKind, number>> = {
  p256: 32,
  p384: 48,
  rsa: 0,
  ed25519: 0,
};
const SIGNATURE_BYTES_MAX = 4096;

/**
 * Reads a signature that another program made: of EC keys in DER (RFC 3279 section 2.2.3), as
 * OpenSSL writes it, or as r || s, as PKCS #11 tokens give it; of others as it is. Bytes, or base64
 * of them.
 *
 * @returns the signature as in a JWS
 * @throws KeysError KEYS_SIGNATURE_UNREADABLE
 */
export function readForeignSignature(kind: OwnerKeyKind, file: Uint8Array): Uint8Array {
  const bytes = unwrapBase64(file);
  const coordinate = COORDINATE_BYTES[kind];
  if (coordinate > 0 && bytes.byteLength !== 2 * coordinate) return rawOfDer(bytes, coordinate);
  const fits = kind === 'ed25519' ? bytes.byteLength === 64 : bytes.byteLength >= 64;
  if (fits && bytes.byteLength <= SIGNATURE_BYTES_MAX) return bytes;
  throw unreadable(`a signature of an ${kind} key`, `${bytes.byteLength} bytes`);
}

function unwrapBase64(file: Uint8Array): Uint8Array {
  if (file.byteLength > 2 * SIGNATURE_BYTES_MAX) {
    throw unreadable(`at most ${2 * SIGNATURE_BYTES_MAX} bytes`, `${file.byteLength} bytes`);
  }
  const text = Buffer.from(file).toString('latin1').replaceAll(/\s/g, '');
  try {
    return /^[A-Za-z0-9+/=]{80,}$/.test(text) ? fromBase64(text) : file;
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    return file;
  }
}

/** ECDSA-Sig-Value in strict DER, to two coordinates of fixed length. */
function rawOfDer(der: Uint8Array, coordinate: number): Uint8Array {
  const [tag, length = 0, ...rest] = der;
  const long = length === 0x81;
  const body = Uint8Array.from(long ? rest.slice(1) : rest);
  const stated = long ? (rest[0] ?? 0) : length;
  if (tag === 0x30 && stated === body.byteLength && (long ? stated >= 0x80 : stated < 0x80)) {
    const r = integerAt(body, 0, coordinate);
    const s = r && integerAt(body, r.end, coordinate);
    if (s?.end === body.byteLength && r !== undefined) return concatBytes(r.value, s.value);
  }
  const expected = `DER, or r || s of ${2 * coordinate} bytes`;
  throw unreadable(expected, `${der.byteLength} other bytes`);
}

function integerAt(
  body: Uint8Array,
  at: number,
  coordinate: number,
): { readonly value: Uint8Array; readonly end: number } | undefined {
  const [tag, length = 0] = body.subarray(at, at + 2);
  const digits = body.subarray(at + 2, at + 2 + length);
  const [first = 0xff, second = 0] = digits;
  const isPadded = first === 0;
  const isMinimal = first < 0x80 && !(isPadded && digits.byteLength > 1 && second < 0x80);
  if (tag !== 0x02 || digits.byteLength !== length || !isMinimal) return undefined;
  const plain = isPadded ? digits.subarray(1) : digits;
  if (plain.byteLength > coordinate) return undefined;
  const value = new Uint8Array(coordinate);
  value.set(plain, coordinate - plain.byteLength);
  return { value, end: at + 2 + length };
}

function unreadable(expected: string, found: string): KeysError {
  const fields = { expected, found };
  return new KeysError('KEYS_SIGNATURE_UNREADABLE', 'file holds no such signature', { fields });
}

/** What a prepared file is called to be signed with: for people, with OpenSSL's words. */
export function signingHint(kind: OwnerKeyKind, file: string, key = 'KEY.pem'): string {
  const common = `openssl pkeyutl -sign -inkey ${key} -rawin -in ${file} -out ${file}.sig`;
  switch (kind) {
    case 'p256':
      return `${common} -digest sha256`;
    case 'p384':
      return `${common} -digest sha384`;
    case 'rsa':
      return `${common} -digest sha256 -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:32`;
    case 'ed25519':
      return common;
    default:
      return kind satisfies never;
  }
}
