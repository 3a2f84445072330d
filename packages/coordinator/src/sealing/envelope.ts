/**
 * A seed in an envelope: encrypted under a random key, and the key encrypted by a provider.
 * Neither the seed nor anything derived from it leaves the replica (I1): the provider sees a
 * random key, and whoever reads the disk sees what that key encrypts. It takes both to open.
 *
 * version u8 | provider | ciphertext of the key | nonce 12 | encrypted seed 32 | tag 16, canonical.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { CanonicalError, CanonicalReader, CanonicalWriter, concatBytes } from '@witan/core';
import { SEED_BYTES, nodeRandom, seedFromBytes, type Seed } from '@witan/keys';
import { CoordinatorError } from '../errors.ts';
import { contextOf, type KeyWrapper, type SealingProvider } from './provider.ts';

const VERSION = 1;
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NAME_BYTES_MAX = 64;
const CIPHERTEXT_BYTES_MAX = 4096;
/** Largest wrapped seed in bytes. */
export const WRAPPED_BYTES_MAX: number = 8192;

/** A provider on top of something that encrypts keys. */
export function envelopeProvider(wrapper: KeyWrapper): SealingProvider {
  const { name, freshness } = wrapper;
  return {
    name,
    freshness,
    async wrap(seed, binding, signal) {
      const context = contextOf(binding);
      const key = nodeRandom.bytes(KEY_BYTES);
      try {
        const ciphertext = await wrapper.encrypt(key, context, signal);
        return encode(name, ciphertext, seal(key, context, seed));
      } finally {
        key.fill(0);
      }
    },
    async unwrap(wrapped, binding, signal) {
      const context = contextOf(binding);
      const { ciphertext, sealed } = decode(name, wrapped);
      const key = await wrapper.decrypt(ciphertext, context, signal);
      try {
        return open(key, context, sealed);
      } finally {
        key.fill(0);
      }
    },
  };
}

function seal(key: Uint8Array, context: Uint8Array, seed: Seed): Uint8Array {
  // The key is new and encrypts once, so that no nonce ever meets it twice (I9).
  const nonce = nodeRandom.bytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(context);
  const body = concatBytes(cipher.update(seed.expose()), cipher.final());
  return concatBytes(nonce, body, cipher.getAuthTag());
}

function open(key: Uint8Array, context: Uint8Array, sealed: Uint8Array): Seed {
  if (key.byteLength !== KEY_BYTES) throw malformed('key');
  const end = sealed.byteLength - TAG_BYTES;
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    })
      .setAAD(context)
      .setAuthTag(sealed.subarray(end));
    const bytes = decipher.update(sealed.subarray(NONCE_BYTES, end));
    decipher.final();
    const seed = seedFromBytes(bytes);
    bytes.fill(0);
    return seed;
  } catch (cause) {
    throw malformed('seal', cause);
  }
}

function encode(name: string, ciphertext: string, sealed: Uint8Array): Uint8Array {
  return new CanonicalWriter().u8(VERSION).text(name).text(ciphertext).fixed(sealed).finish();
}

function decode(
  name: string,
  wrapped: Uint8Array,
): { readonly ciphertext: string; readonly sealed: Uint8Array } {
  try {
    const reader = new CanonicalReader(wrapped);
    if (reader.u8() !== VERSION) throw malformed('version');
    if (reader.text(NAME_BYTES_MAX) !== name) throw malformed('provider');
    const ciphertext = reader.text(CIPHERTEXT_BYTES_MAX);
    const sealed = reader.fixed(NONCE_BYTES + SEED_BYTES + TAG_BYTES);
    reader.end();
    return { ciphertext, sealed };
  } catch (cause) {
    if (cause instanceof CanonicalError) throw malformed('form', cause);
    throw cause;
  }
}

function malformed(check: string, cause?: unknown): CoordinatorError {
  const message = 'bytes are not a seed that this provider wrapped for this cluster';
  return new CoordinatorError('COORDINATOR_SEALING_WRAPPED_MALFORMED', message, {
    fields: { check },
    ...(cause === undefined ? {} : { cause }),
  });
}
