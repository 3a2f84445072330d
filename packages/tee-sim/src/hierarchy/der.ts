/**
 * Writes the little DER (X.690) that the development hierarchy needs. Writing only: nothing here
 * reads input. AMD's certificates carry chip ids as raw extension values and PSS parameters that
 * are not DER-minimal, which certificate libraries do not write.
 */

/** One encoded value. */
export type Der = Uint8Array<ArrayBuffer>;

/** @param parts contents, concatenated */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Der {
  const byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const header = [tag, ...lengthOctets(byteLength)];
  const bytes = new Uint8Array(header.length + byteLength);
  bytes.set(header);
  let offset = header.length;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

function lengthOctets(byteLength: number): readonly number[] {
  if (byteLength < 0x80) return [byteLength];
  const octets: number[] = [];
  for (let rest = byteLength; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

export function sequence(...parts: readonly Uint8Array[]): Der {
  return tlv(0x30, ...parts);
}

/** A SET of one value, which needs no sorting. */
export function setOf(part: Uint8Array): Der {
  return tlv(0x31, part);
}

/** A non-negative INTEGER with as few octets as DER allows. */
export function integer(value: number): Der {
  const octets: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  if ((octets[0] ?? 0x80) >= 0x80) octets.unshift(0);
  return tlv(0x02, Uint8Array.from(octets));
}

export function objectIdentifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      groups.unshift((left % 128) | 0x80);
    }
    octets.push(...groups);
  }
  return tlv(0x06, Uint8Array.from(octets));
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

export const NULL: Der = tlv(0x05);
export const TRUE: Der = tlv(0x01, Uint8Array.of(0xff));
export const utf8String = (text: string): Der => tlv(0x0c, ascii(text));
export const printableString = (text: string): Der => tlv(0x13, ascii(text));
export const ia5String = (text: string): Der => tlv(0x16, ascii(text));
export const octetString = (bytes: Uint8Array): Der => tlv(0x04, bytes);
/** @param unusedBits how many bits at the end do not count */
export const bitString = (bytes: Uint8Array, unusedBits = 0): Der =>
  tlv(0x03, Uint8Array.of(unusedBits), bytes);
/** A constructed context-specific tag. */
export const explicit = (tag: number, ...parts: readonly Uint8Array[]): Der =>
  tlv(0xa0 | tag, ...parts);
/** A primitive context-specific tag. */
export const implicit = (tag: number, bytes: Uint8Array): Der => tlv(0x80 | tag, bytes);

/** UTCTime up to 2049 and GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5). */
export function time(unixMs: number): Der {
  const digits = new Date(unixMs).toISOString().replace(/[-:T]|\.\d+/g, '');
  const year = Number(digits.slice(0, 4));
  return year < 2050 ? tlv(0x17, ascii(digits.slice(2))) : tlv(0x18, ascii(digits));
}
