/**
 * Makes any value fit for a log line: no secret, no raw bytes, no unbounded text, nothing that
 * throws while it is printed. A log line may be the only thing left of an incident, and it leaves
 * the trusted environment: whoever runs the host reads it.
 */
import { describeError, Secret } from '@witan/core';

/** Longest text of one field, in UTF-16 code units; the rest is cut off and counted. */
export const FIELD_CHARACTERS_MAX = 2_048;
/** Most items of a list and most entries of an object that are printed. */
export const FIELD_ITEMS_MAX = 64;
/** How deep lists and objects are printed. */
export const FIELD_DEPTH_MAX = 4;

/** What JSON can hold. */
export type Printable =
  string | number | boolean | null | readonly Printable[] | { readonly [name: string]: Printable };

/**
 * @param value anything; errors become one line, secrets a placeholder, bytes their length
 * @returns a copy that JSON can hold, bounded in length, width and depth
 */
export function printable(value: unknown, depth: number = 0): Printable {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return cut(value);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return cut(value.toString());
  if (typeof value !== 'object') return `[${typeof value}]`;
  if (value instanceof Secret) return value.toString();
  if (value instanceof Error) return cut(describeError(value));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth >= FIELD_DEPTH_MAX) return '[deeper]';
  if (Array.isArray(value)) {
    return value.slice(0, FIELD_ITEMS_MAX).map((item: unknown) => printable(item, depth + 1));
  }
  const entries = Object.entries(value).slice(0, FIELD_ITEMS_MAX);
  return Object.fromEntries(entries.map(([name, item]) => [name, printable(item, depth + 1)]));
}

function cut(text: string): string {
  if (text.length <= FIELD_CHARACTERS_MAX) return text;
  return `${text.slice(0, FIELD_CHARACTERS_MAX)}[${text.length - FIELD_CHARACTERS_MAX} more]`;
}
