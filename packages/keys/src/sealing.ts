/**
 * Sealing: authenticated encryption of what leaves attested memory for the log, the journal and
 * snapshots (I4), with AES-256-GCM (NIST SP 800-38D).
 *
 * Each incarnation seals under its own subkey with a 96-bit counter that starts at 0 in this
 * process and is never read back (I9). The header in front of the ciphertext names the subkey, so
 * that every holder of the seed can open; it is authenticated, together with the caller's `aad`,
 * which should say where the bytes belong (index, term, segment), so that moved bytes fail.
 * Sealing proves origin, not freshness: an old sealed value stays valid.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import {
  CanonicalWriter,
  concatBytes,
  toHex,
  type ClusterId,
  type Epoch,
  type IncarnationId,
} from '@witan/core';
import { derivationInfo, deriveSealingKey, type SealUse } from './derivations.ts';
import { KeysError } from './errors.ts';
import {
  SEAL_HEADER_BYTES,
  parseSealHeader,
  sealHeaderBytes,
  writeSealHeader,
  type SealHeader,
} from './seal-header.ts';
import type { SealingGenerations } from './sealing-generations.ts';
import type { Seed } from './seed.ts';

const TAG_BYTES = 16;

/** Bytes that sealing adds to a plaintext. */
export const SEAL_OVERHEAD_BYTES: number = SEAL_HEADER_BYTES + TAG_BYTES;

/** Largest plaintext of one sealed value, in bytes. */
export const SEAL_PLAINTEXT_BYTES_MAX: number = 1023 * 1024 * 1024;

/** Largest associated data, in bytes. */
export const SEAL_AAD_BYTES_MAX = 4096;

/**
 * Seals under one subkey. Far below 2^96, so that the nonce cannot wrap; at a mean of 64 blocks a
 * message it keeps the total below 2^46 blocks, where GCM's advantage bound is about 2^-37.
 */
const SEALS_MAX: number = 2 ** 40;

/** Most subkeys that an unsealer keeps, by default. */
const SUBKEYS_MAX_DEFAULT = 64;

/** Counts nonces. Exported for tests of the limit; other code has no use for it. */
export class NonceCounter {
  readonly #limit: number;
  #next = 0;

  constructor(limit: number = SEALS_MAX) {
    this.#limit = limit;
  }

  /** @throws KeysError KEYS_SEAL_EXHAUSTED when the limit is reached, and forever after */
  next(): number {
    if (this.#next >= this.#limit) {
      throw new KeysError('KEYS_SEAL_EXHAUSTED', 'this incarnation has used up its sealing key', {
        fields: { sealsMax: this.#limit },
      });
    }
    const count = this.#next;
    this.#next += 1;
    return count;
  }
}

// One counter per subkey and process: a second sealer for the same subkey continues the first one's
// count instead of repeating its nonces. Grows by one entry per (epoch, use, generation) of this
// incarnation.
const COUNTERS = new Map<string, NonceCounter>();

function counterOf(subkeyInfo: Uint8Array, generation: number): NonceCounter {
  const name = `${toHex(subkeyInfo)}/${generation}`;
  const counter = COUNTERS.get(name) ?? new NonceCounter();
  COUNTERS.set(name, counter);
  return counter;
}

/** Names the subkey of a sealer. */
export interface SealerOptions {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** This process's own incarnation; another's would reuse that one's nonces. */
  readonly incarnation: IncarnationId;
  readonly use: SealUse;
  /** Each value is sealed in the newest of these; absent: under the seed itself. */
  readonly generations?: SealingGenerations;
  /** Number of the seed where it is used itself; 1 where absent. The header names it. */
  readonly seedNumber?: number;
}

/** Seals under the subkey of one incarnation, epoch and use. */
export interface Sealer {
  /**
   * @param plaintext at most SEAL_PLAINTEXT_BYTES_MAX bytes
   * @param aad authenticated, not stored: the opener must present the same bytes, at most 4 KiB
   * @returns header, ciphertext and tag: SEAL_OVERHEAD_BYTES longer than the plaintext
   * @throws KeysError KEYS_SEAL_TOO_LARGE, KEYS_SEAL_EXHAUSTED
   */
  seal(plaintext: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** Makes a sealer. May only be used in one thread of one process per incarnation (I9). */
export function createSealer(options: SealerOptions): Sealer {
  const { clusterId, epoch, incarnation, use, generations } = options;
  const info = derivationInfo(clusterId, `seal/${use}`, [epoch, incarnation]);
  const own = (options.seedNumber ?? 1) - 1;
  // Made when it is needed: a newcomer has not been told of any generation yet.
  let newest: ReturnType<typeof subkeyOf> | undefined;

  function subkeyOf(generation: number) {
    const root = generations?.rootOf(generation) ?? options.seed;
    const key = importSubkey(root, clusterId, use, epoch, incarnation);
    return { generation, key, counter: counterOf(info, generation) };
  }

  return {
    seal(plaintext: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer> {
      checkSize('plaintext', plaintext.byteLength, SEAL_PLAINTEXT_BYTES_MAX);
      checkSize('aad', aad.byteLength, SEAL_AAD_BYTES_MAX);
      const current = generations?.current ?? own;
      if (newest?.generation !== current) newest = subkeyOf(current);
      const { generation, key, counter } = newest;
      const nonce = nonceOf(counter.next());
      const header = writeSealHeader({ use, generation, epoch, incarnation, nonce });
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(concatBytes(header, aad));
      const ciphertext = cipher.update(plaintext);
      cipher.final();
      return concatBytes(header, ciphertext, cipher.getAuthTag());
    },
  };
}

/** What an unsealer opens. */
export interface UnsealerOptions {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  /** The only use that is opened, so that bytes sealed for one place cannot serve in another. */
  readonly use: SealUse;
  /** Generations that can be opened; absent: what is sealed under the seed itself. */
  readonly generations?: SealingGenerations;
  /** Number of the seed where it is used itself; 1 where absent. */
  readonly seedNumber?: number;
  /** Subkeys kept in memory; the least recently used one goes first. Default 64. */
  readonly subkeysMax?: number;
}

/** Opens what any incarnation of the cluster has sealed for one use. */
export interface Unsealer {
  /**
   * @param sealed what `seal` returned
   * @param aad the bytes that were given to `seal`
   * @returns the plaintext
   * @throws KeysError KEYS_SEAL_MALFORMED, KEYS_SEAL_VERSION_UNKNOWN, KEYS_SEAL_USE_MISMATCH,
   *   KEYS_SEAL_TOO_LARGE, KEYS_SEAL_GENERATION_UNKNOWN, KEYS_SEAL_NOT_AUTHENTIC
   */
  open(sealed: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** Makes an unsealer. */
export function createUnsealer(options: UnsealerOptions): Unsealer {
  const subkeys = new Map<string, KeyObject>();
  const subkeysMax = options.subkeysMax ?? SUBKEYS_MAX_DEFAULT;
  let forgotten = options.generations?.forgotten;

  function subkeyOf({ generation, epoch, incarnation }: SealHeader): KeyObject {
    if (forgotten !== options.generations?.forgotten) subkeys.clear();
    forgotten = options.generations?.forgotten;
    const name = `${generation}/${epoch}/${incarnation}`;
    const { clusterId, use } = options;
    const key =
      subkeys.get(name) ?? importSubkey(rootOf(generation), clusterId, use, epoch, incarnation);
    // A Map lists its entries in the order of insertion: the first is the least recently used.
    subkeys.delete(name);
    subkeys.set(name, key);
    const oldest = subkeys.keys().next();
    if (subkeys.size > subkeysMax && oldest.done !== true) subkeys.delete(oldest.value);
    return key;
  }

  function rootOf(generation: number): Seed {
    const { seed, generations, seedNumber = 1 } = options;
    if (generations !== undefined) return generations.rootOf(generation);
    if (generation === seedNumber - 1) return seed;
    const message = 'sealed under another seed, or in a generation of keys';
    throw new KeysError('KEYS_SEAL_GENERATION_UNKNOWN', message, {
      fields: { newest: seedNumber - 1, found: generation },
    });
  }

  return {
    open(sealed: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer> {
      const header = parseSealHeader(sealed);
      checkUse(options.use, header.use);
      const ciphertextBytes = sealed.byteLength - sealHeaderBytes(sealed) - TAG_BYTES;
      if (ciphertextBytes < 0) throw malformed(sealed.byteLength);
      checkSize('plaintext', ciphertextBytes, SEAL_PLAINTEXT_BYTES_MAX);
      checkSize('aad', aad.byteLength, SEAL_AAD_BYTES_MAX);
      const key = subkeyOf(header);
      return decrypt(key, header.nonce, sealed, aad);
    },
  };
}

function decrypt(
  key: KeyObject,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const tagAt = sealed.byteLength - TAG_BYTES;
  const headerBytes = sealHeaderBytes(sealed);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(concatBytes(sealed.subarray(0, headerBytes), aad));
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plaintext = decipher.update(sealed.subarray(headerBytes, tagAt));
  try {
    decipher.final();
  } catch (cause) {
    plaintext.fill(0);
    const message = 'sealed bytes are not authentic for this cluster, use and place';
    throw new KeysError('KEYS_SEAL_NOT_AUTHENTIC', message, { cause });
  }
  return Uint8Array.from(plaintext);
}

function importSubkey(
  seed: Seed,
  clusterId: ClusterId,
  use: SealUse,
  epoch: Epoch,
  incarnation: IncarnationId,
): KeyObject {
  const secret = deriveSealingKey(seed, clusterId, use, epoch, incarnation);
  try {
    return createSecretKey(secret.expose());
  } finally {
    secret.wipe();
  }
}

/** 96 bits, big-endian (SP 800-38D section 8.2.1, with an empty fixed field: the key is unique). */
function nonceOf(count: number): Uint8Array<ArrayBuffer> {
  return new CanonicalWriter().u32(0).u64(count).finish();
}

function checkSize(what: string, found: number, expected: number): void {
  if (found > expected) {
    throw new KeysError('KEYS_SEAL_TOO_LARGE', 'value is too large to be sealed or opened', {
      fields: { what, bytesMax: expected, found },
    });
  }
}

function checkUse(expected: SealUse, found: SealUse): void {
  if (expected !== found) {
    const fields = { expected, found };
    throw new KeysError('KEYS_SEAL_USE_MISMATCH', 'bytes were sealed for another use', { fields });
  }
}

function malformed(found: number): KeysError {
  return new KeysError('KEYS_SEAL_MALFORMED', 'bytes are not a sealed value', {
    fields: { bytesMin: SEAL_OVERHEAD_BYTES, found },
  });
}
