/**
 * Writes the DER (X.690) that certificates and revocation lists are made of. Writing only: nothing
 * here reads input, and what goes in was checked by the callers.
 */
import { assert, utf8 } from '@witan/core';

/** One encoded value. */
export type Der = Uint8Array<ArrayBuffer>;

/** @param parts contents, concatenated */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Der {
  return elementOf(tag, parts);
}

function elementOf(tag: number, parts: readonly Uint8Array[]): Der {
  let byteLength = 0;
  for (const part of parts) byteLength += part.byteLength;
  const header = [tag, ...lengthOctets(byteLength)];
  const element = new Uint8Array(header.length + byteLength);
  element.set(header);
  let at = header.length;
  for (const part of parts) {
    element.set(part, at);
    at += part.byteLength;
  }
  return element;
}

/** Definite and minimal (X.690 section 10.1). */
function lengthOctets(byteLength: number): readonly number[] {
  if (byteLength < 0x80) return [byteLength];
  const octets: number[] = [];
  for (let rest = byteLength; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

export const sequence = (...parts: readonly Uint8Array[]): Der => tlv(0x30, ...parts);
/** A SEQUENCE OF as many elements as there are: more than a call has arguments. */
export const sequenceOf = (elements: readonly Uint8Array[]): Der => elementOf(0x30, elements);
/** A SET of one value, which needs no sorting. */
export const setOf = (part: Uint8Array): Der => tlv(0x31, part);
export const octetString = (...parts: readonly Uint8Array[]): Der => tlv(0x04, ...parts);
export const boolean = (value: boolean): Der => tlv(0x01, Uint8Array.of(value ? 0xff : 0));
/** A constructed context-specific tag. */
export const explicit = (tag: number, ...parts: readonly Uint8Array[]): Der =>
  tlv(0xa0 | tag, ...parts);
/** A primitive context-specific tag. */
export const implicit = (tag: number, bytes: Uint8Array): Der => tlv(0x80 | tag, bytes);
/** Whole octets. */
export const bitString = (bytes: Uint8Array): Der => tlv(0x03, Uint8Array.of(0), bytes);

/** Named bits, without the zeros at the end (X.690 section 11.2.2). @param bits first bit first */
export function namedBits(bits: readonly boolean[]): Der {
  const used = bits.lastIndexOf(true) + 1;
  const octets = new Uint8Array(Math.ceil(used / 8));
  for (const [at, bit] of bits.entries()) {
    if (bit) octets[at >> 3] = (octets[at >> 3] ?? 0) | (0x80 >> (at & 7));
  }
  return tlv(0x03, Uint8Array.of(octets.byteLength * 8 - used), octets);
}

/** A whole number from 0, with as few octets as DER allows. */
export function integer(value: number): Der {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number of a certificate is whole, from 0');
  const octets: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  if ((octets[0] ?? 0x80) >= 0x80) octets.unshift(0);
  return tlv(0x02, Uint8Array.from(octets));
}

/** A positive number that is in the form of DER already, as `checkSerial` demands. */
export const positiveInteger = (bytes: Uint8Array): Der => tlv(0x02, bytes);

/** Arcs may be of any size: those below 2.25 have 128 bits. */
export function objectIdentifier(dotted: string): Der {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  const octets: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) {
    const groups = [Number(arc & 0x7fn)];
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80);
    octets.push(...groups);
  }
  return tlv(0x06, Uint8Array.from(octets));
}

const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;

/** The narrowest form that holds the text (RFC 5280 section 4.1.2.4). */
export function directoryString(text: string): Der {
  return tlv(PRINTABLE.test(text) ? 0x13 : 0x0c, utf8(text));
}

export const utf8String = (text: string): Der => tlv(0x0c, utf8(text));

/**
 * UTCTime up to 2049 and GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5).
 *
 * @param unixSeconds whole seconds since 1970
 */
export function time(unixSeconds: number): Der {
  const digits = new Date(unixSeconds * 1000).toISOString().replace(/[-:T]|\.\d+/g, '');
  const year = Number(digits.slice(0, 4));
  return year < 2050 ? tlv(0x17, utf8(digits.slice(2))) : tlv(0x18, utf8(digits));
}
