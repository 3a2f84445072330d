/** JSON with one text for one value: sorted keys, two spaces, a final newline. */
import { isFields } from './fields.ts';

/** Keys are sorted by UTF-16 code units; `undefined` members are left out. */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(value, sorted, 2)}\n`;
}

function sorted(_key: string, value: unknown): unknown {
  if (!isFields(value)) return value;
  const entries = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries);
}
