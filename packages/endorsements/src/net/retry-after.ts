/** Retry-After (RFC 9110 section 10.2.3): seconds, or a date. */
import type { UnixMillis } from '@witan/core';

/** A service that wants a longer rest is asked again after this. */
const RETRY_AFTER_MS_MAX = 60 * 60 * 1000;

/**
 * @param value the header
 * @returns milliseconds to wait, at most an hour; undefined when the header is missing or malformed
 */
export function retryAfterMs(value: string | undefined, now: UnixMillis): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^[0-9]{1,9}$/.test(text)) return Math.min(Number(text) * 1000, RETRY_AFTER_MS_MAX);
  // Date.parse takes many forms; only the one that HTTP demands begins with a day's name.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), /.test(text)) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return undefined;
  return Math.min(Math.max(0, at - now), RETRY_AFTER_MS_MAX);
}
