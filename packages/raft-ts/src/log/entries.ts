/** Operations on runs of consecutive entries. */
import { entrySizeBytes, type Entry } from '../types.ts';

/** The longest prefix whose encoded size stays within `maxBytes`, but at least one entry. */
export function limitEntriesBytes(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  let bytes = 0;
  for (let count = 0; count < entries.length; count += 1) {
    bytes += entrySizeBytes(entries[count] as Entry);
    if (bytes > maxBytes && count > 0) return entries.slice(0, count);
  }
  return entries;
}
