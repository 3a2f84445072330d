/**
 * Annotated fields: where each stands, its name, its raw value and what that means. Read straight
 * from the bytes, so that evidence which a parser refuses can be looked at as well.
 */
import { toHex } from '@witan/core';

/** One field of a structure. */
export interface Field {
  /** From the beginning of the evidence, in bytes; undefined for what has no fixed place. */
  readonly offset: number | undefined;
  /** Length in bytes. */
  readonly size: number | undefined;
  readonly name: string;
  /** The value, as a number or as hex in the order of the bytes. */
  readonly value: string;
  /** What it means, a line each. */
  readonly meaning: readonly string[];
}

/** How a field is read. */
export type FieldForm = 'bytes' | 'number' | 'hex';

/** Says what a value means; gets the bytes of the field. */
export type Explain = (bytes: Uint8Array, number: bigint) => readonly string[];

/** A row of a layout table. */
export interface FieldRow {
  readonly offset: number;
  readonly size: number;
  readonly name: string;
  readonly form: FieldForm;
  readonly explain?: Explain;
}

/** Reads the rows that lie within the bytes; the others are left out. */
export function readFields(
  bytes: Uint8Array,
  rows: readonly FieldRow[],
  base = 0,
): readonly Field[] {
  return rows
    .filter(({ offset, size }) => base + offset + size <= bytes.byteLength)
    .map(({ offset, size, name, form, explain }) => {
      const part = bytes.subarray(base + offset, base + offset + size);
      const number = size <= 8 ? littleEndian(part) : 0n;
      const meaning = explain?.(part, number) ?? [];
      return { offset: base + offset, size, name, value: shown(part, number, form), meaning };
    });
}

/** An unsigned little-endian number. */
export function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function shown(part: Uint8Array, number: bigint, form: FieldForm): string {
  switch (form) {
    case 'bytes':
      return toHex(part);
    case 'number':
      return number.toString();
    case 'hex':
      return `0x${number.toString(16).padStart(part.byteLength * 2, '0')}`;
  }
}
