/** Makes event logs and CCEL tables, with every length and algorithm open to change. */
import { createHash } from 'node:crypto';
import { concatBytes } from '@witan/core';

/** One event; its digest is that of its data by default. */
export interface EventPlan {
  readonly register: number;
  readonly type: number;
  readonly data: Uint8Array;
  readonly digest?: Uint8Array;
  readonly algorithm?: number;
}

const u16 = (value: number): Uint8Array => Uint8Array.of(value & 255, value >>> 8);
const u32 = (value: number): Uint8Array => concatBytes(u16(value & 0xffff), u16(value >>> 16));

/** The first event of a log. @param algorithms identifier and digest size of each */
export function serializeLogHeader(
  algorithms: readonly (readonly [number, number])[] = [[0x0c, 48]],
  signature = 'Spec ID Event03\0',
): Uint8Array {
  const event = concatBytes(
    new Uint8Array(Buffer.from(signature, 'latin1')),
    u32(0),
    Uint8Array.of(0, 2, 0, 2),
    u32(algorithms.length),
    ...algorithms.flatMap(([algorithm, size]) => [u16(algorithm), u16(size)]),
    Uint8Array.of(0),
  );
  return concatBytes(u32(1), u32(3), new Uint8Array(20), u32(event.byteLength), event);
}

/** One event of a log. */
export function serializeEvent(plan: EventPlan): Uint8Array {
  const { register, type, data, algorithm = 0x0c } = plan;
  const digest = plan.digest ?? new Uint8Array(createHash('sha384').update(data).digest());
  const parts = [u32(register), u32(type), u32(1), u16(algorithm), digest];
  return concatBytes(...parts, u32(data.byteLength), data);
}

/** A log in an area that is filled up. */
export function serializeEventLog(
  events: readonly EventPlan[],
  { fill = 0xff, fillBytes = 64 }: { readonly fill?: number; readonly fillBytes?: number } = {},
): Uint8Array {
  const area = new Uint8Array(fillBytes).fill(fill);
  return concatBytes(serializeLogHeader(), ...events.map(serializeEvent), area);
}

/** The ACPI table for a log. */
export function serializeCcelTable(logBytes: number): Uint8Array {
  const bytes = Buffer.alloc(56);
  bytes.write('CCEL', 'latin1');
  bytes.writeUInt32LE(56, 4);
  bytes.writeUInt8(1, 8);
  bytes.write('WITAN ', 10, 'latin1');
  bytes.writeUInt8(2, 36);
  bytes.writeBigUInt64LE(BigInt(logBytes), 40);
  bytes.writeBigUInt64LE(0xbedbf000n, 48);
  bytes.writeUInt8(-bytes.reduce((sum, byte) => sum + byte, 0) & 255, 9);
  return new Uint8Array(bytes);
}
