/**
 * A quick hash of bytes, for comparing runs and states. Not for anything that an adversary sees.
 */

/** FNV-1a over 32 bits. */
export function hashOf(bytes: Uint8Array, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < bytes.byteLength; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  }
  return hash >>> 0;
}
