/**
 * Owner keys as JWK (RFC 7517, RFC 7518 section 6, RFC 8037 section 2): the members that say which
 * key it is and no others, each in its one canonical spelling. A private key is refused by name, so
 * that nobody publishes one in a manifest. Gives DER, which is judged as if it had come in PEM.
 */
import { BytesError, concatBytes, fromBase64Url, fromHex } from '@witan/core';
import { ManifestError } from './errors.ts';
import { readObject, readRecord, readString, requiredField, type Located } from './fields.ts';
import type { JsonObject } from './json.ts';
import { clip } from './path.ts';

/** Every member with private parts (RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** The first member of a JWK that holds a private part; undefined for a public key. */
export function privateMemberOf(jwk: Readonly<Record<string, unknown>>): string | undefined {
  return PRIVATE_MEMBERS.find((name) => jwk[name] !== undefined);
}

/** DER up to the coordinates: id-ecPublicKey, the curve, bit string, uncompressed. */
const CURVES: Readonly<Record<string, { readonly prefix: string; readonly bytes: number }>> = {
  'P-256': { prefix: '3059301306072a8648ce3d020106082a8648ce3d03010703420004', bytes: 32 },
  'P-384': { prefix: '3076301006072a8648ce3d020106052b8104002203620004', bytes: 48 },
};
const ED25519_PREFIX = '302a300506032b6570032100';
const RSA_ALGORITHM = fromHex('300d06092a864886f70d0101010500');
const RSA_EXPONENT = 'AQAB';
/** Of 8192 bits. */
const RSA_MODULUS_BYTES_MAX = 1024;

/**
 * @returns DER SubjectPublicKeyInfo, whose content is not checked any further
 * @throws ManifestError MANIFEST_BAD_PUBLIC_KEY, MANIFEST_WRONG_TYPE, MANIFEST_UNKNOWN_FIELD,
 *   MANIFEST_MISSING_FIELD
 */
export function derOfJwk(located: Located): Uint8Array {
  const object = readRecord(located);
  const secret = privateMemberOf(object.value);
  if (secret !== undefined) {
    throw badJwk(object, 'the public half of a key', `a private key (member ${secret})`);
  }
  const kty = readString(requiredField(object, 'kty'));
  switch (kty.value) {
    case 'EC':
      return ecKey(readObject(object, ['kty', 'crv', 'x', 'y']));
    case 'RSA':
      return rsaKey(readObject(object, ['kty', 'n', 'e']));
    case 'OKP':
      return edKey(readObject(object, ['kty', 'crv', 'x']));
    default:
      throw badJwk(kty, 'EC, RSA or OKP', clip(kty.value));
  }
}

function ecKey(jwk: Located<JsonObject>): Uint8Array {
  const crv = readString(requiredField(jwk, 'crv'));
  const curve = Object.hasOwn(CURVES, crv.value) ? CURVES[crv.value] : undefined;
  if (curve === undefined) throw badJwk(crv, 'P-256 or P-384', clip(crv.value));
  const x = bytesOf(jwk, 'x', curve.bytes);
  const y = bytesOf(jwk, 'y', curve.bytes);
  return concatBytes(fromHex(curve.prefix), x, y);
}

function edKey(jwk: Located<JsonObject>): Uint8Array {
  const crv = readString(requiredField(jwk, 'crv'));
  if (crv.value !== 'Ed25519') throw badJwk(crv, 'Ed25519', clip(crv.value));
  return concatBytes(fromHex(ED25519_PREFIX), bytesOf(jwk, 'x', 32));
}

function rsaKey(jwk: Located<JsonObject>): Uint8Array {
  const e = readString(requiredField(jwk, 'e'));
  if (e.value !== RSA_EXPONENT) throw badJwk(e, `${RSA_EXPONENT} (65537)`, clip(e.value));
  const n = bytesOf(jwk, 'n', undefined);
  const { byteLength } = n;
  if (byteLength < 256 || byteLength > RSA_MODULUS_BYTES_MAX || n[0] === 0) {
    const field = requiredField(jwk, 'n');
    throw badJwk(field, 'a modulus of 3072 to 8192 bits', `${byteLength} bytes`);
  }
  const integer = element(0x02, (n[0] ?? 0) >= 0x80 ? concatBytes(Uint8Array.of(0), n) : n);
  const key = element(0x30, concatBytes(integer, fromHex('0203010001')));
  const bitString = element(0x03, concatBytes(Uint8Array.of(0), key));
  return element(0x30, concatBytes(RSA_ALGORITHM, bitString));
}

/** DER with a length of two bytes, which every part of an RSA key of these sizes has. */
function element(tag: number, content: Uint8Array): Uint8Array {
  const { byteLength } = content;
  return concatBytes(Uint8Array.of(tag, 0x82, byteLength >> 8, byteLength & 0xff), content);
}

function bytesOf(jwk: Located<JsonObject>, name: string, expected: number | undefined): Uint8Array {
  const field = readString(requiredField(jwk, name));
  let bytes: Uint8Array;
  try {
    bytes = fromBase64Url(field.value);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    throw badJwk(field, 'base64url without padding (RFC 7515 section 2)', 'other text', error);
  }
  if (expected !== undefined && bytes.byteLength !== expected) {
    throw badJwk(field, `${expected} bytes`, `${bytes.byteLength} bytes`);
  }
  return bytes;
}

function badJwk({ path }: Located, expected: string, found: string, cause?: unknown) {
  return new ManifestError('MANIFEST_BAD_PUBLIC_KEY', { path, expected, found }, cause);
}
