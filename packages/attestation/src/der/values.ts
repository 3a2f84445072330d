/**
 * Contents of primitive DER values.
 */
import { BytesError, fromUtf8, toHex, type UnixMillis } from '@witan/core';
import { AttestationError } from '../errors.ts';
import { DER_TAG, type DerReader, type DerValue } from './reader.ts';
import { unixMillisOf } from './time.ts';

const OID_BYTES_MAX = 64;

/** An object identifier in dotted form. */
export function readOid(reader: DerReader): string {
  const { content } = reader.value(DER_TAG.oid);
  const last = content.at(-1);
  if (last === undefined || last >= 0x80 || content.byteLength > OID_BYTES_MAX) throw bad('OID');
  const arcs: number[] = [];
  let arc = 0;
  let atStart = true;
  for (const octet of content) {
    if (atStart && octet === 0x80) throw bad('OID');
    arc = arc * 128 + (octet & 0x7f);
    if (arc > 0xffffffff) throw bad('OID');
    atStart = octet < 0x80;
    if (!atStart) continue;
    arcs.push(arc);
    arc = 0;
  }
  const first = arcs[0] ?? 0;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - root * 40, ...arcs.slice(1)].join('.');
}

/** A non-negative INTEGER as minimal hex digits of whole bytes, `00` for zero. */
export function readUnsignedHex(reader: DerReader): string {
  const content = integerContent(reader.value(DER_TAG.integer));
  const padded = content.byteLength > 1 && content[0] === 0;
  return toHex(padded ? content.subarray(1) : content);
}

/** A non-negative INTEGER up to `max`. */
export function readSmallInteger(reader: DerReader, max: number): number {
  return smallInteger(reader.value(DER_TAG.integer), max);
}

/** The value of an INTEGER or ENUMERATED up to `max`, which is at most 2^31-1. */
export function smallInteger(value: DerValue, max: number): number {
  const content = integerContent(value);
  if (content.byteLength > 5) throw bad('INTEGER out of range');
  let result = 0;
  for (const octet of content) result = result * 256 + octet;
  if (result > max) throw bad('INTEGER out of range');
  return result;
}

/** A BOOLEAN: 00 or FF (X.690 section 11.1). */
export function readBoolean(reader: DerReader): boolean {
  const { content } = reader.value(DER_TAG.boolean);
  const octet = content[0];
  if (content.byteLength !== 1 || (octet !== 0 && octet !== 0xff)) throw bad('BOOLEAN');
  return octet === 0xff;
}

/** A BIT STRING of whole octets, as keys and signatures are. */
export function readOctetBits(reader: DerReader): Uint8Array {
  const { content } = reader.value(DER_TAG.bitString);
  if (content[0] !== 0) throw bad('BIT STRING');
  return content.subarray(1);
}

/** A BIT STRING of up to 32 named bits; bit 0 of the name list is bit 0 of the result. */
export function readNamedBits(reader: DerReader): number {
  const { content } = reader.value(DER_TAG.bitString);
  const unused = content[0];
  if (unused === undefined || unused > 7 || content.byteLength > 5) throw bad('BIT STRING');
  if (content.byteLength === 1 && unused !== 0) throw bad('BIT STRING');
  if (((content.at(-1) ?? 0) & ((1 << unused) - 1)) !== 0 && content.byteLength > 1) {
    throw bad('BIT STRING');
  }
  let bits = 0;
  for (let i = 0; i < (content.byteLength - 1) * 8; i += 1) {
    const octet = content[1 + (i >> 3)] ?? 0;
    if (((octet >> (7 - (i & 7))) & 1) === 1) bits |= 1 << i;
  }
  return bits >>> 0;
}

/** Text of one of the string types that names use, as UTF-8 or ASCII. */
export function textOf(value: DerValue): string {
  switch (value.tag) {
    case DER_TAG.utf8String:
      return utf8Text(value.content);
    case DER_TAG.printableString:
    case DER_TAG.ia5String: {
      if (value.content.some((octet) => octet >= 0x80)) throw bad('string');
      return utf8Text(value.content);
    }
    default:
      throw bad('string type');
  }
}

/** A UTCTime or GeneralizedTime in the forms that RFC 5280 section 4.1.2.5 demands. */
export function readTime(reader: DerReader): UnixMillis {
  const value = reader.any();
  if (value.tag !== DER_TAG.utcTime && value.tag !== DER_TAG.generalizedTime) throw bad('time');
  const text = value.content.some((octet) => octet >= 0x80) ? '' : utf8Text(value.content);
  const time = unixMillisOf(text, value.tag === DER_TAG.utcTime ? 2 : 4);
  if (time === undefined) throw bad('time');
  return time;
}

function integerContent({ content }: DerValue): Uint8Array {
  const first = content[0];
  if (first === undefined || first >= 0x80) throw bad('INTEGER');
  const second = content[1];
  if (first === 0 && second !== undefined && second < 0x80) throw bad('INTEGER');
  return content;
}

function utf8Text(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (error instanceof BytesError) throw bad('string', error);
    throw error;
  }
}

function bad(what: string, cause?: unknown): AttestationError {
  return new AttestationError('DER_MALFORMED', { what }, cause);
}
