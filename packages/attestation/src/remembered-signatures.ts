/**
 * Remembers which signatures were good. Whether one is depends on its bytes alone: algorithm, key,
 * data and signature, all of which are in the key of an entry, so nothing that is remembered can
 * go stale. What a good signature is worth (time, revocation, permission) is not looked at here and
 * is judged anew each time.
 *
 * One report is judged more than once: by the reference values that a client was given and by those
 * of the manifest that the cluster serves; and by each workload's entry that it may fit.
 */
import { toHex, utf8, type Crypto, type SignatureCheck } from '@witan/core';

/**
 * A crypto port that checks each signature once, and again only when it was bad or is forgotten.
 *
 * @param signaturesMax how many are kept, those met last; each takes about 200 bytes
 */
export function rememberingSignatures(crypto: Crypto, signaturesMax: number): Crypto {
  const good = new Set<string>();
  return {
    hash: (algorithm, ...parts) => crypto.hash(algorithm, ...parts),
    verify: (check) => {
      const key = keyOf(check, crypto);
      const known = good.delete(key);
      if (!known && !crypto.verify(check)) return false;
      // A set keeps the order of insertion, so the first one is the one not met for longest.
      good.add(key);
      for (const oldest of good) {
        if (good.size <= signaturesMax) break;
        good.delete(oldest);
      }
      return true;
    },
  };
}

/** SHA-256 over everything that goes into the check, each part behind its length. */
function keyOf({ algorithm, publicKey, data, signature }: SignatureCheck, crypto: Crypto): string {
  const parts = [utf8(algorithm), publicKey, data, signature];
  const lengths = new Uint8Array(new Uint32Array(parts.map((part) => part.byteLength)).buffer);
  return toHex(crypto.hash('sha256', lengths, ...parts));
}
