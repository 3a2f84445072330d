/**
 * The few messages of etcd's v3 API that the benchmark needs, in protobuf's wire format. Field
 * numbers from etcd's api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto (v3.4). Hand-written,
 * because the client takes its CPU time from the servers that it measures.
 */

/** Paths of the calls. */
export const PATHS = {
  put: '/etcdserverpb.KV/Put',
  range: '/etcdserverpb.KV/Range',
  status: '/etcdserverpb.Maintenance/Status',
  moveLeader: '/etcdserverpb.Maintenance/MoveLeader',
} as const;

/** A value of protobuf's wire format: a number or bytes. */
export type WireValue = bigint | Uint8Array;

/** Fields by number, in the order in which they came. */
export type WireFields = ReadonlyMap<number, readonly WireValue[]>;

const VARINT = 0;
const BYTES = 2;

/** Encodes fields; numbers that are 0 and empty byte strings are left out, as proto3 does. */
export function encodeFields(fields: readonly (readonly [number, WireValue])[]): Uint8Array {
  const parts: number[] = [];
  const chunks: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'bigint') {
      if (value === 0n) continue;
      pushVarint(parts, BigInt(number * 8 + VARINT));
      pushVarint(parts, value);
      continue;
    }
    if (value.byteLength === 0) continue;
    pushVarint(parts, BigInt(number * 8 + BYTES));
    pushVarint(parts, BigInt(value.byteLength));
    chunks.push(Uint8Array.from(parts.splice(0)), value);
  }
  chunks.push(Uint8Array.from(parts));
  return chunks.length === 1 ? (chunks[0] ?? new Uint8Array(0)) : Buffer.concat(chunks);
}

/** @throws RangeError for what is no message of varints and byte strings */
export function decodeFields(bytes: Uint8Array): WireFields {
  const fields = new Map<number, WireValue[]>();
  let at = 0;
  const varint = (): bigint => {
    const first = bytes[at];
    if (first !== undefined && first < 0x80) {
      at += 1;
      return BigInt(first);
    }
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) break;
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number of the message ends too early');
  };
  while (at < bytes.byteLength) {
    const tag = Number(varint());
    const number = tag >>> 3;
    const value = (tag & 7) === VARINT ? varint() : take(tag);
    const known = fields.get(number);
    if (known === undefined) fields.set(number, [value]);
    else known.push(value);
  }
  return fields;

  function take(tag: number): Uint8Array {
    const byteLength = Number((tag & 7) === BYTES ? varint() : -1n);
    if (byteLength < 0 || at + byteLength > bytes.byteLength) {
      throw new RangeError('a field of the message is of another kind, or ends too early');
    }
    at += byteLength;
    return bytes.subarray(at - byteLength, at);
  }
}

/** The last number under `field`, 0 where there is none. */
export function numberAt(fields: WireFields, field: number): bigint {
  const value = fields.get(field)?.at(-1);
  return typeof value === 'bigint' ? value : 0n;
}

/** The last bytes under `field`, none where there are none. */
export function bytesAt(fields: WireFields, field: number): Uint8Array {
  const value = fields.get(field)?.at(-1);
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

function pushVarint(target: number[], value: bigint): void {
  let large = value;
  while (large > 0x7fff_ffffn) {
    target.push(Number(large & 0x7fn) | 0x80);
    large >>= 7n;
  }
  let rest = Number(large);
  while (rest >= 0x80) {
    target.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  target.push(rest);
}

/** PutRequest and RangeRequest both have key 1; PutRequest has value 2. */
export const encodePut = (key: Uint8Array, value: Uint8Array): Uint8Array =>
  encodeFields([
    [1, key],
    [2, value],
  ]);

/** MoveLeaderRequest: targetID 1. */
export const encodeMoveLeader = (target: bigint): Uint8Array => encodeFields([[1, target]]);

/** ResponseHeader: cluster_id 1, member_id 2, revision 3, raft_term 4. */
export function encodeHeader(memberId: bigint, revision: number, term: number): Uint8Array {
  return encodeFields([
    [1, 1n],
    [2, memberId],
    [3, BigInt(revision)],
    [4, BigInt(term)],
  ]);
}

/** KeyValue: key 1, value 5. */
export const encodePairMessage = (key: Uint8Array, value: Uint8Array): Uint8Array =>
  encodeFields([
    [1, key],
    [5, value],
  ]);

/** What a StatusResponse says: header 1, leader 4, raftTerm 6. */
export interface MemberStatus {
  readonly memberId: bigint;
  /** 0 while none is known. */
  readonly leaderId: bigint;
  readonly term: bigint;
}

/** Reads a StatusResponse. */
export function decodeStatus(bytes: Uint8Array): MemberStatus {
  const fields = decodeFields(bytes);
  const header = decodeFields(bytesAt(fields, 1));
  return {
    memberId: numberAt(header, 2),
    leaderId: numberAt(fields, 4),
    term: numberAt(fields, 6),
  };
}
