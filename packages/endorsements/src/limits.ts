/** Limits on what is fetched, kept and carried. Sizes are in bytes. */
import {
  CERTIFICATE_BYTES_MAX,
  COLLATERAL_DOCUMENT_BYTES_MAX,
  CRL_BYTES_MAX,
  PEM_BYTES_MAX,
} from '@witan/attestation';

/** The largest body of any endorsement, a revocation list. */
export const BODY_BYTES_MAX: number = Math.max(
  CERTIFICATE_BYTES_MAX,
  COLLATERAL_DOCUMENT_BYTES_MAX,
  CRL_BYTES_MAX,
);
/** A file of the cache: body, issuer chain and their head. */
export const CONTENT_BYTES_MAX: number = BODY_BYTES_MAX + PEM_BYTES_MAX + 1024;
/** An entry of the cache's index. */
export const INDEX_ENTRY_BYTES_MAX = 4096;
/** A request key; the longest is that of a VCEK with about 200 characters. */
export const KEY_LENGTH_MAX = 512;
/** A bundle, with its items in base64. */
export const BUNDLE_BYTES_MAX: number = 64 * 1024 * 1024;
/** Items of one bundle. */
export const BUNDLE_ITEMS_MAX = 4096;
/** Verified items kept in memory, by the size of their bodies. */
export const MEMORY_BYTES_MAX: number = 32 * 1024 * 1024;
/** Entries that are looked at in a cache directory; this program never fills one so far. */
export const CACHE_FILES_MAX = 8192;
/** Requests whose last failure is remembered. */
export const FAILURES_MAX = 1024;
/** Response headers, all together. Intel sends a PEM chain of about 3 KiB in one. */
export const HEADER_BYTES_MAX: number = 32 * 1024;
