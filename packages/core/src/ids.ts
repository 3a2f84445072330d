/**
 * Branded identifiers: numbers and strings that must not be mixed. A brand costs nothing at run
 * time; the constructor functions check the value once, at the edge where it enters.
 */
import { CodedError, type ErrorFields } from './errors.ts';

declare const brand: unique symbol;
/** A base type that the compiler tells apart from others of the same base. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** 32 random bytes as 64 lower-case hex digits; chosen by the founder. */
export type ClusterId = Brand<string, 'ClusterId'>;
/** A replica's stable name, a DNS label such as `witan-0`. */
export type SlotName = Brand<string, 'SlotName'>;
/**
 * SHA-256 of an incarnation's identity key (DER SubjectPublicKeyInfo), 64 lower-case hex digits.
 */
export type IncarnationId = Brand<string, 'IncarnationId'>;
/** Counts full recoveries of the cluster, from 1. */
export type Epoch = Brand<number, 'Epoch'>;
/** Number of a manifest in the history, from 1; 0 means that none was set. */
export type Generation = Brand<number, 'Generation'>;
/** SHA-256 as 64 lower-case hex digits. */
export type Sha256Hex = Brand<string, 'Sha256Hex'>;
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type UnixMillis = Brand<number, 'UnixMillis'>;

/** What can be wrong with an identifier. */
export type IdErrorCode = 'ID_MALFORMED';

/** An identifier from outside that has not the required form. */
export class IdError extends CodedError<IdErrorCode> {
  constructor(fields: ErrorFields) {
    super('ID_MALFORMED', 'identifier has not the required form', { fields });
  }
}

const HEX_64 = /^[0-9a-f]{64}$/;
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function hex64(kind: string, value: string): string {
  if (!HEX_64.test(value)) {
    const found = value.slice(0, 80);
    throw new IdError({ kind, expected: '64 lower-case hex digits', found });
  }
  return value;
}

function count(kind: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new IdError({ kind, expected: `a whole number from ${least} to 2^53-1`, found: value });
  }
  return value;
}

/** @throws IdError unless `value` is 64 lower-case hex digits */
export function clusterId(value: string): ClusterId {
  return hex64('cluster id', value) as ClusterId;
}

/** @throws IdError unless `value` is 64 lower-case hex digits */
export function incarnationId(value: string): IncarnationId {
  return hex64('incarnation id', value) as IncarnationId;
}

/** @throws IdError unless `value` is 64 lower-case hex digits */
export function sha256Hex(value: string): Sha256Hex {
  return hex64('SHA-256 digest', value) as Sha256Hex;
}

/** @throws IdError unless `value` is a DNS label (RFC 1123 section 2.1), at most 63 characters */
export function slotName(value: string): SlotName {
  if (!DNS_LABEL.test(value)) {
    const found = value.slice(0, 80);
    throw new IdError({ kind: 'slot name', expected: 'a DNS label (RFC 1123)', found });
  }
  return value as SlotName;
}

/** @throws IdError unless `value` is a whole number from 1 */
export function epoch(value: number): Epoch {
  return count('epoch', value, 1) as Epoch;
}

/** @throws IdError unless `value` is a whole number from 0 */
export function generation(value: number): Generation {
  return count('generation', value, 0) as Generation;
}

/** @throws IdError unless `value` is a whole number from 0 */
export function unixMillis(value: number): UnixMillis {
  return count('time in milliseconds', value, 0) as UnixMillis;
}
