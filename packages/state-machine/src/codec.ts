/** What the encodings of this package share: ids as bytes, and turning codec errors into ours. */
import {
  BytesError,
  CanonicalError,
  CanonicalReader,
  fromHex,
  IdError,
  toHex,
  type CanonicalWriter,
} from '@witan/core';
import { ManifestError } from '@witan/manifest';
import { StateMachineError, type StateMachineErrorCode } from './errors.ts';

/** Writes hex digits as half as many bytes, without a length. */
export function writeHex(writer: CanonicalWriter, hex: string): void {
  writer.fixed(fromHex(hex));
}

/** Reads `byteLength` bytes as lower-case hex. */
export function readHex(reader: CanonicalReader, byteLength: number): string {
  return toHex(reader.fixed(byteLength));
}

/** Refuses a value that no writer of ours produces. */
export function badValue(what: string): CanonicalError {
  return new CanonicalError('CANONICAL_BAD_VALUE', 'value no writer produces', { found: what });
}

/**
 * Runs `read` over the whole of `bytes`.
 *
 * @throws StateMachineError with `code` for anything but the canonical encoding
 */
export function decodeWith<Value>(
  code: StateMachineErrorCode,
  bytes: Uint8Array,
  bytesMax: number,
  read: (reader: CanonicalReader) => Value,
): Value {
  if (bytes.byteLength > bytesMax) {
    throw new StateMachineError(code, { expected: bytesMax, found: bytes.byteLength });
  }
  try {
    const reader = new CanonicalReader(bytes);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    const isOutsideError =
      error instanceof CanonicalError ||
      error instanceof BytesError ||
      error instanceof IdError ||
      error instanceof ManifestError;
    if (!isOutsideError) throw error;
    throw new StateMachineError(code, { found: error.code, ...error.fields }, error);
  }
}
