/** What the signed records of this package share: labels, digests as bytes, and decoding. */
import {
  BytesError,
  CanonicalError,
  CanonicalReader,
  fromHex,
  IdError,
  sha256Hex,
  toHex,
  type CanonicalWriter,
  type Sha256Hex,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import { clip } from './path.ts';

/** Stands for "no transition yet" wherever a transition's hash is expected: 32 zero bytes. */
export const NO_TRANSITION: Sha256Hex = sha256Hex('0'.repeat(64));

/** Length of an ECDSA P-256 signature as r || s, in bytes. */
export const SIGNATURE_BYTES: number = 64;

/** Writes a digest or id, 64 hex digits, as 32 bytes. */
export function writeDigest(writer: CanonicalWriter, hex: string): void {
  writer.fixed(fromHex(hex));
}

/** Reads 32 bytes as 64 hex digits. */
export function readDigest(reader: CanonicalReader): string {
  return toHex(reader.fixed(32));
}

/** Reads the label that every signed record starts with. */
export function expectLabel(reader: CanonicalReader, label: string): void {
  readLabel(reader, [label]);
}

/** Reads a label that may be of several versions, and says which it is. */
export function readLabel(reader: CanonicalReader, labels: readonly string[]): string {
  const found = reader.text(64);
  if (labels.includes(found)) return found;
  throw new ManifestError('RECORD_MALFORMED', {
    path: 'label',
    expected: labels.join(' or '),
    found: clip(found),
  });
}

/**
 * Runs `read` over the whole of `bytes`.
 *
 * @param record the record's name, for the error
 * @param bytesMax refuse longer input before reading it
 * @throws ManifestError RECORD_MALFORMED
 */
export function decodeRecord<Value>(
  record: string,
  bytes: Uint8Array,
  bytesMax: number,
  read: (reader: CanonicalReader) => Value,
): Value {
  if (bytes.byteLength > bytesMax) {
    const fields = { path: record, expected: bytesMax, found: bytes.byteLength };
    throw new ManifestError('RECORD_MALFORMED', fields);
  }
  try {
    const reader = new CanonicalReader(bytes);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    const malformed =
      error instanceof CanonicalError || error instanceof BytesError || error instanceof IdError;
    if (!malformed) throw error;
    const fields = { path: record, expected: 'a canonical encoding', found: error.code };
    throw new ManifestError('RECORD_MALFORMED', fields, error);
  }
}
