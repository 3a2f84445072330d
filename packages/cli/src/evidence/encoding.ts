/**
 * What kind of bytes a file holds, before anybody asks what they mean: binary, hex text, base64
 * text, PEM text or JSON. Line breaks inside hex and base64 are ignored, as people paste them.
 */
import { BytesError, fromBase64, fromHex, fromUtf8 } from '@witan/core';

/** Content with its encoding taken off. */
export type Content =
  | { readonly kind: 'bytes'; readonly encoding: Encoding; readonly bytes: Uint8Array }
  | { readonly kind: 'json'; readonly text: string; readonly value: unknown }
  | { readonly kind: 'pem'; readonly text: string };

/** How bytes were written. */
export type Encoding = 'binary' | 'hex text' | 'base64 text';

const SPACE = new Set([0x09, 0x0a, 0x0d, 0x20]);
const HEX = /^(0x)?(?:[0-9a-fA-F]{2})+$/;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;
const PEM = /^-----BEGIN /m;
/** Shorter text is more likely a word than an encoding. */
const ENCODED_CHARS_MIN = 32;

/** Recognises the encoding; never throws: what is nothing else is binary. */
export function decodeContent(bytes: Uint8Array): Content {
  const binary: Content = { kind: 'bytes', encoding: 'binary', bytes };
  const text = textOf(bytes);
  if (text === undefined) return binary;
  const trimmed = text.trim();
  if (PEM.test(trimmed)) return { kind: 'pem', text };
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) {
    try {
      return { kind: 'json', text, value: JSON.parse(trimmed) as unknown };
    } catch {
      return binary;
    }
  }
  return bytesInText(trimmed) ?? binary;
}

/** Bytes written as hex (with or without `0x`), base64 or base64url; undefined for other text. */
export function bytesInText(text: string): (Content & { readonly kind: 'bytes' }) | undefined {
  const compact = text.replaceAll(/\s+/g, '');
  if (compact.length < ENCODED_CHARS_MIN) return undefined;
  if (HEX.test(compact)) {
    const digits = compact.startsWith('0x') ? compact.slice(2) : compact;
    return { kind: 'bytes', encoding: 'hex text', bytes: fromHex(digits) };
  }
  if (!BASE64.test(compact)) return undefined;
  const standard = compact.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  try {
    const padded = standard.padEnd(Math.ceil(standard.length / 4) * 4, '=');
    return { kind: 'bytes', encoding: 'base64 text', bytes: fromBase64(padded) };
  } catch (error) {
    if (error instanceof BytesError) return undefined;
    throw error;
  }
}

/** The text of a file without control characters; undefined for anything else. */
function textOf(bytes: Uint8Array): string | undefined {
  // Intel's tools end PEM text with NUL.
  const end = bytes.at(-1) === 0 ? bytes.byteLength - 1 : bytes.byteLength;
  const text = bytes.subarray(0, end);
  for (const byte of text) if (byte < 0x20 && !SPACE.has(byte)) return undefined;
  try {
    return fromUtf8(text);
  } catch {
    return undefined;
  }
}
