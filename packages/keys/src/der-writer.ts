/**
 * The few DER forms (X.690) that a revocation list is made of. Internal: it writes what this
 * package has checked, and reads nothing.
 */
import { utf8 } from '@witan/core';

/** Universal and context tags that are written here (X.690 sections 8.1.2 and 8.9 to 8.26). */
export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** Context 0 in its explicit, constructed form. */
  explicit0: 0xa0,
  /** Context 0 in its implicit, primitive form. */
  implicit0: 0x80,
} as const;

/** One element with definite length in as few bytes as it takes. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return elementOf(tag, parts);
}

/** A SEQUENCE OF as many elements as there are: more than a call has arguments. */
export function derList(elements: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return elementOf(TAG.sequence, elements);
}

function elementOf(tag: number, parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const head = [tag, ...lengthBytes(byteLength)];
  const element = new Uint8Array(head.length + byteLength);
  element.set(head);
  let at = head.length;
  for (const part of parts) {
    element.set(part, at);
    at += part.byteLength;
  }
  return element;
}

function lengthBytes(byteLength: number): readonly number[] {
  if (byteLength < 0x80) return [byteLength];
  const bytes = bigEndian(byteLength);
  return [0x80 | bytes.length, ...bytes];
}

function bigEndian(value: number): readonly number[] {
  const hex = value.toString(16);
  const even = hex.length % 2 === 1 ? `0${hex}` : hex;
  return even.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? [0];
}

/** A whole number from 0 to 2^53 - 1 (X.690 section 8.3). */
export function derNumber(value: number): Uint8Array<ArrayBuffer> {
  const bytes = bigEndian(value);
  const [first = 0] = bytes;
  return derElement(TAG.integer, Uint8Array.of(...(first > 0x7f ? [0, ...bytes] : bytes)));
}

/**
 * A time of whole seconds: UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 section
 * 5.1.2.4).
 *
 * @param seconds since 1970, before the year 10000
 */
export function derTime(seconds: number): Uint8Array<ArrayBuffer> {
  // 2026-11-28T22:11:49.000Z without its punctuation and fraction.
  const digits = new Date(seconds * 1000).toISOString().replace(/[-:T]|\.000/g, '');
  return Number(digits.slice(0, 4)) < 2050
    ? derElement(TAG.utcTime, utf8(digits.slice(2)))
    : derElement(TAG.generalizedTime, utf8(digits));
}

/**
 * An ECDSA signature as r || s, in the form of certificates (RFC 5480, Ecdsa-Sig-Value).
 *
 * @param fixed two numbers of the same length
 */
export function derSignature(fixed: Uint8Array): Uint8Array<ArrayBuffer> {
  const half = fixed.byteLength / 2;
  const parts = [fixed.subarray(0, half), fixed.subarray(half)].map((number) => {
    const start = number.findIndex((byte) => byte !== 0);
    const plain = number.subarray(start === -1 ? half - 1 : start);
    const padding = (plain[0] ?? 0) > 0x7f ? [0] : [];
    return derElement(TAG.integer, Uint8Array.of(...padding), plain);
  });
  return derElement(TAG.sequence, ...parts);
}
