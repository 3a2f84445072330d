/**
 * Owner keys: a JWK (see jwk.ts), or PEM (RFC 7468 section 13, strict form) of a
 * SubjectPublicKeyInfo in DER, of one of four kinds: EC P-256 or P-384 (RFC 5480) with an
 * uncompressed point on the curve, RSA (RFC 3279 section 2.3.1) of 3072 to 8192 bits with the
 * exponent 65537, and Ed25519 (RFC 8410) of a point that is on the curve and not of small order.
 * An owner whose key can never verify anything, or open anything, is found when the manifest is set
 * and not when it is needed.
 */
import { BytesError, bytesEqual, concatBytes, fromBase64, fromHex, toHex } from '@witan/core';
import { isEd25519Point } from './ed25519-point.ts';
import { ManifestError } from './errors.ts';
import { readString, type Located } from './fields.ts';
import { derOfJwk } from './jwk.ts';
import type { OwnerKeyKind } from './types.ts';

/** An owner key, decoded. */
export interface OwnerKey {
  readonly kind: OwnerKeyKind;
  /** DER SubjectPublicKeyInfo. */
  readonly der: Uint8Array;
}

/** Holds an RSA key of 8192 bits: 1,440 characters with their line ends. */
const PEM = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]{1,1500})\n-----END PUBLIC KEY-----\n?$/;
const PEM_LINE_CHARACTERS = 64;

interface Curve {
  readonly kind: OwnerKeyKind;
  readonly name: string;
  /** DER up to the coordinates: id-ecPublicKey, the curve, bit string, uncompressed. */
  readonly prefix: Uint8Array;
  readonly fieldPrime: bigint;
  readonly coefficientB: bigint;
  /** Length of one coordinate in bytes. */
  readonly coordinateBytes: number;
}

// Curve parameters: SEC 2 version 2.0, sections 2.4.2 and 2.5.1.
const CURVES: readonly Curve[] = [
  {
    kind: 'p256',
    name: 'P-256',
    prefix: fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004'),
    fieldPrime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    coefficientB: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    coordinateBytes: 32,
  },
  {
    kind: 'p384',
    name: 'P-384',
    prefix: fromHex('3076301006072a8648ce3d020106052b8104002203620004'),
    fieldPrime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    coefficientB: BigInt(
      '0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe814112' +
        '0314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef',
    ),
    coordinateBytes: 48,
  },
];

const RSA_BITS_MIN = 3072;
const RSA_BITS_MAX = 8192;
/** AlgorithmIdentifier: rsaEncryption with NULL (RFC 3279 section 2.3.1). */
const RSA_ALGORITHM = fromHex('300d06092a864886f70d0101010500');
const RSA_EXPONENT = fromHex('0203010001');
/** Where the length of the modulus stands, and the modulus; all lengths before have two bytes. */
const RSA_MODULUS_LENGTH_AT = 30;
const RSA_MODULUS_AT = 32;

const ED25519_PREFIX = fromHex('302a300506032b6570032100');
const ED25519_BYTES = 44;

/**
 * @param located PEM text, or a JWK as an object
 * @throws ManifestError MANIFEST_BAD_PUBLIC_KEY, MANIFEST_WRONG_TYPE; of a JWK's fields also
 *   MANIFEST_UNKNOWN_FIELD, MANIFEST_MISSING_FIELD
 */
export function decodeOwnerKey(located: Located): OwnerKey {
  const isJwk = typeof located.value === 'object';
  const der = isJwk ? derOfJwk(located) : derOfPem(readString(located));
  return decodeDer(located, der);
}

function derOfPem(pem: Located<string>): Uint8Array {
  const body = PEM.exec(pem.value)?.[1];
  if (body === undefined || !hasFullLines(body)) {
    throw badKey(pem, 'PEM with the label PUBLIC KEY and lines of 64 characters', 'other text');
  }
  try {
    return fromBase64(body.replaceAll('\n', ''));
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    throw badKey(pem, 'canonical base64', 'other text', error);
  }
}

function decodeDer(pem: Located, der: Uint8Array): OwnerKey {
  for (const curve of CURVES) {
    const { prefix, coordinateBytes, kind, name } = curve;
    const size = prefix.byteLength + 2 * coordinateBytes;
    if (der.byteLength !== size || !startsWith(der, prefix)) continue;
    if (!isOnCurve(der.subarray(prefix.byteLength), curve)) {
      throw badKey(pem, `a point on ${name}`, 'a point off the curve');
    }
    return { kind, der };
  }
  if (startsWith(der.subarray(4), RSA_ALGORITHM)) return { kind: 'rsa', der: checkRsa(pem, der) };
  if (der.byteLength === ED25519_BYTES && startsWith(der, ED25519_PREFIX)) {
    if (!isEd25519Point(der.subarray(ED25519_PREFIX.byteLength))) {
      throw badKey(pem, 'a point on Ed25519, and none of small order', 'another point');
    }
    return { kind: 'ed25519', der };
  }
  const expected =
    'an EC P-256 or P-384 key with an uncompressed point, an RSA key, or an Ed25519 key';
  throw badKey(pem, expected, 'another key');
}

/** The error for a key that cannot hold a share: nothing can be encrypted to an Ed25519 key. */
export function unfitKey(pem: Located): ManifestError {
  const expected =
    'an EC P-256, EC P-384 or RSA key, as the role recovery holds an encrypted share';
  return badKey(pem, expected, 'an Ed25519 key, which only signs');
}

/** Every line but the last has 64 characters (RFC 7468 section 2, strict form). */
function hasFullLines(body: string): boolean {
  const lines = body.split('\n');
  return lines.every((line, index) =>
    index < lines.length - 1
      ? line.length === PEM_LINE_CHARACTERS
      : line.length > 0 && line.length <= PEM_LINE_CHARACTERS,
  );
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytesEqual(bytes.subarray(0, prefix.byteLength), prefix);
}

function isOnCurve(point: Uint8Array, curve: Curve): boolean {
  const { fieldPrime, coefficientB, coordinateBytes } = curve;
  const x = BigInt(`0x${toHex(point.subarray(0, coordinateBytes))}`);
  const y = BigInt(`0x${toHex(point.subarray(coordinateBytes))}`);
  if (x >= fieldPrime || y >= fieldPrime) return false;
  return (y * y - (x * x * x - 3n * x + coefficientB)) % fieldPrime === 0n;
}

/** Takes the modulus out, and demands exactly the bytes that an encoder makes of it. */
function checkRsa(pem: Located, der: Uint8Array): Uint8Array {
  const [high = 0, low = 0] = der.subarray(RSA_MODULUS_LENGTH_AT, RSA_MODULUS_AT);
  const integer = der.subarray(RSA_MODULUS_AT, RSA_MODULUS_AT + high * 256 + low);
  const modulus = integer[0] === 0 ? integer.subarray(1) : integer;
  const bits = modulus.byteLength * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (modulus[0] === 0 || bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
    const expected = `an RSA key of ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits`;
    throw badKey(pem, expected, 'another size or encoding');
  }
  const isOdd = ((modulus.at(-1) ?? 0) & 1) === 1;
  if (!isOdd || !bytesEqual(der, encodeRsa(modulus))) {
    throw badKey(pem, 'the DER of an odd modulus and the exponent 65537', 'other bytes');
  }
  return der;
}

function encodeRsa(modulus: Uint8Array): Uint8Array {
  const isHigh = (modulus[0] ?? 0) >= 0x80;
  const integer = element(0x02, isHigh ? concatBytes(Uint8Array.of(0), modulus) : modulus);
  const key = element(0x30, concatBytes(integer, RSA_EXPONENT));
  const bitString = element(0x03, concatBytes(Uint8Array.of(0), key));
  return element(0x30, concatBytes(RSA_ALGORITHM, bitString));
}

/** DER with a length of two bytes, which every part of an RSA key of these sizes has. */
function element(tag: number, content: Uint8Array): Uint8Array {
  const { byteLength } = content;
  return concatBytes(Uint8Array.of(tag, 0x82, byteLength >> 8, byteLength & 0xff), content);
}

function badKey(pem: Located, expected: string, found: string, cause?: unknown): ManifestError {
  return new ManifestError('MANIFEST_BAD_PUBLIC_KEY', { path: pem.path, expected, found }, cause);
}
