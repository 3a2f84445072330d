/**
 * Owner keys: PEM (RFC 7468 section 13, strict form) of an EC P-256 SubjectPublicKeyInfo
 * (RFC 5480) with an uncompressed point. The point has to lie on the curve: an owner whose key can
 * never verify anything is found when the manifest is set and not when an approval is needed.
 */
import { BytesError, bytesEqual, fromBase64, fromHex, toHex } from '@witan/core';
import { ManifestError } from './errors.ts';
import type { Located } from './fields.ts';

const PEM = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]{1,400})\n-----END PUBLIC KEY-----\n?$/;
const PEM_LINE_CHARACTERS = 64;
/** DER up to the point: id-ecPublicKey, prime256v1, 66 bytes of bit string, uncompressed. */
const PREFIX = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');
const SPKI_BYTES = 91;

// Curve parameters of P-256: SEC 2 version 2.0, section 2.4.2.
const FIELD_PRIME = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const COEFFICIENT_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/**
 * @returns the DER SubjectPublicKeyInfo, 91 bytes
 * @throws ManifestError MANIFEST_BAD_PUBLIC_KEY
 */
export function decodeOwnerKey(pem: Located<string>): Uint8Array {
  const body = PEM.exec(pem.value)?.[1];
  if (body === undefined || !hasFullLines(body)) {
    throw badKey(pem, 'PEM with the label PUBLIC KEY and lines of 64 characters', 'other text');
  }
  let der: Uint8Array;
  try {
    der = fromBase64(body.replaceAll('\n', ''));
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    throw badKey(pem, 'canonical base64', 'other text', error);
  }
  const prefix = der.subarray(0, PREFIX.byteLength);
  if (der.byteLength !== SPKI_BYTES || !bytesEqual(prefix, PREFIX)) {
    throw badKey(pem, 'an EC P-256 key with an uncompressed point', 'another key');
  }
  if (!isOnCurve(der.subarray(PREFIX.byteLength))) {
    throw badKey(pem, 'a point on P-256', 'a point off the curve');
  }
  return der;
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

function isOnCurve(point: Uint8Array): boolean {
  const x = BigInt(`0x${toHex(point.subarray(0, 32))}`);
  const y = BigInt(`0x${toHex(point.subarray(32))}`);
  if (x >= FIELD_PRIME || y >= FIELD_PRIME) return false;
  return (y * y - (x * x * x - 3n * x + COEFFICIENT_B)) % FIELD_PRIME === 0n;
}

function badKey(
  pem: Located<string>,
  expected: string,
  found: string,
  cause?: unknown,
): ManifestError {
  return new ManifestError('MANIFEST_BAD_PUBLIC_KEY', { path: pem.path, expected, found }, cause);
}
