/**
 * HELLO: what each end says first. One value has one encoding, and the decoder accepts nothing
 * else, because the hash of both HELLOs goes into the evidence.
 *
 * version u16 | role u8 | flags u8 (bit 0: cluster id given; rest zero) | nonce 32 | cluster id 32
 * (zero where none) | number of evidence types u8 | each: length u8, name. Big-endian. The names
 * are those that the sender can judge, in strictly ascending order; none means none announced.
 */
import { assert, concatBytes, isAllZero, utf8 } from '@witan/core';
import type { Role } from './channel.ts';
import { TransportError } from './errors.ts';
import { ROLE_BYTES } from './report-data.ts';

/** Version of the exchange that this code speaks. */
export const CHANNEL_VERSION = 1;

export const NONCE_BYTES = 32;
export const CLUSTER_ID_BYTES = 32;
const FLAG_CLUSTER_ID = 1;
const FIXED_BYTES = 2 + 1 + 1 + NONCE_BYTES + CLUSTER_ID_BYTES + 1;
const EVIDENCE_TYPES_MAX = 8;
const EVIDENCE_TYPE = /^[a-z0-9-]{1,32}$/;

/** The content of a HELLO of version 1. */
export interface Hello {
  readonly role: Role;
  readonly nonce: Uint8Array;
  readonly clusterId: Uint8Array | undefined;
  /** Evidence types that the sender can judge, ascending. */
  readonly evidenceTypes: readonly string[];
}

/** Names in the order and number that HELLO allows. */
export function canonicalEvidenceTypes(names: readonly string[]): readonly string[] {
  const sorted = [...new Set(names)].sort();
  assert(sorted.length <= EVIDENCE_TYPES_MAX, 'at most 8 evidence types');
  for (const name of sorted) assert(EVIDENCE_TYPE.test(name), 'evidence type name is well formed');
  return sorted;
}

/** Payload of a HELLO frame. */
export function encodeHello(hello: Hello): Uint8Array {
  assert(hello.nonce.byteLength === NONCE_BYTES, 'nonce has 32 bytes');
  const clusterId = hello.clusterId ?? new Uint8Array(CLUSTER_ID_BYTES);
  assert(clusterId.byteLength === CLUSTER_ID_BYTES, 'cluster id has 32 bytes');
  const flags = hello.clusterId === undefined ? 0 : FLAG_CLUSTER_ID;
  const types = canonicalEvidenceTypes(hello.evidenceTypes);
  return concatBytes(
    Uint8Array.of(CHANNEL_VERSION >> 8, CHANNEL_VERSION & 0xff, ROLE_BYTES[hello.role], flags),
    hello.nonce,
    clusterId,
    Uint8Array.of(types.length),
    ...types.flatMap((name) => [Uint8Array.of(name.length), utf8(name)]),
  );
}

/**
 * Reads a HELLO payload.
 *
 * @throws TransportError HELLO_VERSION_UNSUPPORTED, HELLO_MALFORMED
 */
export function decodeHello(payload: Uint8Array): Hello {
  const version = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
  if (payload.byteLength >= 2 && version !== CHANNEL_VERSION) {
    throw new TransportError('HELLO_VERSION_UNSUPPORTED', 'peer speaks another version', {
      expected: CHANNEL_VERSION,
      found: version,
    });
  }
  if (payload.byteLength < FIXED_BYTES) throw malformed('length', payload.byteLength);
  const role = decodeRole(payload[2] ?? 0);
  const flags = payload[3] ?? 0;
  if ((flags & ~FLAG_CLUSTER_ID) !== 0) throw malformed('flags', flags);
  const nonceEnd = 4 + NONCE_BYTES;
  const clusterIdEnd = nonceEnd + CLUSTER_ID_BYTES;
  const clusterId = payload.slice(nonceEnd, clusterIdEnd);
  const hasClusterId = (flags & FLAG_CLUSTER_ID) !== 0;
  if (!hasClusterId && !isAllZero(clusterId)) throw malformed('cluster id', 1);
  return {
    role,
    nonce: payload.slice(4, nonceEnd),
    clusterId: hasClusterId ? clusterId : undefined,
    evidenceTypes: decodeEvidenceTypes(payload.subarray(clusterIdEnd)),
  };
}

function decodeRole(byte: number): Role {
  for (const role of ['replica', 'initializer', 'client'] as const) {
    if (ROLE_BYTES[role] === byte) return role;
  }
  throw malformed('role', byte);
}

function decodeEvidenceTypes(bytes: Uint8Array): readonly string[] {
  const count = bytes[0] ?? 0;
  if (count > EVIDENCE_TYPES_MAX) throw malformed('number of evidence types', count);
  const names: string[] = [];
  let offset = 1;
  for (let i = 0; i < count; i += 1) {
    const length = bytes[offset] ?? 0;
    const name = String.fromCharCode(...bytes.subarray(offset + 1, offset + 1 + length));
    if (name.length !== length || !EVIDENCE_TYPE.test(name)) throw malformed('evidence type', i);
    const previous = names.at(-1);
    if (previous !== undefined && previous >= name) throw malformed('evidence type order', i);
    names.push(name);
    offset += 1 + length;
  }
  if (offset !== bytes.byteLength) throw malformed('trailing bytes', bytes.byteLength - offset);
  return names;
}

function malformed(field: string, found: number): TransportError {
  return new TransportError('HELLO_MALFORMED', 'HELLO is malformed', { field, found });
}
