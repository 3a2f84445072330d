/** Operations on runs of consecutive entries. */
import { entrySizeBytes, type Entry } from '../types.ts';

/**
 * Entries from position `from` on, before position `to`, as many as stay within `maxBytes` encoded,
 * but at least one if there is any. Looks at no more than it returns and one: a member that is far
 * behind must not cost a copy of the rest of the log with each message.
 */
export function sliceWithinBytes(
  entries: readonly Entry[],
  from: number,
  to: number,
  maxBytes: number,
): readonly Entry[] {
  const end = Math.min(to, entries.length);
  let bytes = 0;
  let at = from;
  for (; at < end; at += 1) {
    bytes += entrySizeBytes(entries[at] as Entry);
    if (bytes > maxBytes && at > from) break;
  }
  return entries.slice(from, at);
}
