/**
 * Byte strings: the few operations that every package needs, without Node's Buffer.
 */
import { CodedError, type ErrorFields } from './errors.ts';

// Part of every JavaScript runtime (WHATWG Encoding), but not of the ECMAScript library types.
declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

/** Which form the text or bytes have not. */
export type BytesErrorCode = 'BYTES_NOT_HEX' | 'BYTES_NOT_BASE64' | 'BYTES_NOT_UTF8';

/** Text or bytes from outside that have not the required form. */
export class BytesError extends CodedError<BytesErrorCode> {
  constructor(code: BytesErrorCode, message: string, fields: ErrorFields = {}) {
    super(code, message, { fields });
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** @throws BytesError BYTES_NOT_UTF8 on any ill-formed sequence */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new BytesError('BYTES_NOT_UTF8', 'bytes are not well-formed UTF-8');
  }
}

/** The parts one after the other, in new bytes. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let byteLength = 0;
  for (const part of parts) byteLength += part.byteLength;
  const joined = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.byteLength;
  }
  return joined;
}

/** Equality of public bytes. Not for secrets: use `Secret.equals`. */
export function bytesEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.byteLength !== right.byteLength) return false;
  for (let i = 0; i < left.byteLength; i += 1) if (left[i] !== right[i]) return false;
  return true;
}

/** Whether every byte is zero; true for no bytes. */
export function isAllZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

const HEX_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, value) =>
  value.toString(16).padStart(2, '0'),
);

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX_OF_BYTE[byte] ?? '';
  return text;
}

/** @throws BytesError BYTES_NOT_HEX unless `text` is an even number of hex digits, either case */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new BytesError('BYTES_NOT_HEX', 'text is not an even number of hex digits', {
      length: text.length,
    });
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i += 1) {
    const high = HEX_VALUES[text.charCodeAt(i * 2)] ?? 0;
    bytes[i] = (high << 4) | (HEX_VALUES[text.charCodeAt(i * 2 + 1)] ?? 0);
  }
  return bytes;
}

/** Values of digits by character code; what is not one was refused before. */
function valuesOf(digits: string): Uint8Array {
  const values = new Uint8Array(128);
  for (let value = 0; value < digits.length; value += 1) values[digits.charCodeAt(value)] = value;
  return values;
}

const HEX_VALUES: Uint8Array = valuesOf('0123456789abcdef');
for (let i = 0; i < 6; i += 1) HEX_VALUES['A'.charCodeAt(0) + i] = 10 + i;

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64_VALUES: Uint8Array = valuesOf(BASE64);

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += BASE64.charAt(group >> 18) + BASE64.charAt((group >> 12) & 63);
    text += left > 1 ? BASE64.charAt((group >> 6) & 63) : '=';
    text += left > 2 ? BASE64.charAt(group & 63) : '=';
  }
  return text;
}

/**
 * @throws BytesError BYTES_NOT_BASE64 unless `text` is canonical padded base64 (RFC 4648 section 4)
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const body = text.replace(/={1,2}$/, '');
  const bad = text.length % 4 !== 0 || body.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/.test(body);
  if (bad) throw notBase64(text.length);
  const bytes = new Uint8Array(Math.floor((body.length * 3) / 4));
  let bits = 0;
  let bitCount = 0;
  let offset = 0;
  for (let i = 0; i < body.length; i += 1) {
    bits = ((bits << 6) | (BASE64_VALUES[body.charCodeAt(i)] ?? 0)) & 0xffffff;
    bitCount += 6;
    if (bitCount >= 8) {
      bitCount -= 8;
      bytes[offset] = (bits >> bitCount) & 0xff;
      offset += 1;
    }
  }
  if ((bits & ((1 << bitCount) - 1)) !== 0) throw notBase64(text.length);
  return bytes;
}

function notBase64(length: number): BytesError {
  return new BytesError('BYTES_NOT_BASE64', 'text is not canonical base64', { length });
}

/** Base64 for URLs, without padding (RFC 4648 section 5, RFC 7515 section 2). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/**
 * @throws BytesError BYTES_NOT_BASE64 unless `text` is canonical base64url without padding (RFC
 *   4648 section 5)
 */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw notBase64(text.length);
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return fromBase64(standard + '='.repeat((4 - (standard.length % 4)) % 4));
}
