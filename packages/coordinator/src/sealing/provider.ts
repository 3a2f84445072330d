/**
 * Providers that keep the seed openable without owners, for unattended recovery from a total loss.
 * Off unless the measured configuration names one: the host must be able neither to switch one on
 * nor to point it elsewhere.
 *
 * A provider says who may open, never what is new: the rules of freshness of a recovery stay as
 * they are (I4, I7). What it wraps lies on disk in the clear, where everybody may read it.
 *
 * How others would fit:
 * - A key derived by SEV-SNP firmware (MSG_KEY_REQ, from measurement, policy and a root key of the
 *   chip) is a `KeyWrapper` that encrypts under it locally. Its limits: the same chip, and the same
 *   build or an older TCB.
 * - Another Witan cluster's transit is a `KeyWrapper` over an attested channel (I1), with that
 *   cluster's manifest deciding who may ask.
 */
import { CanonicalWriter, type ClusterId } from '@witan/core';
import type { Seed } from '@witan/keys';

const CONTEXT_LABEL = 'witan/sealing-context/v1';

/** What is wrapped, and for whom: it opens as nothing else. */
export interface SealingBinding {
  readonly clusterId: ClusterId;
  /** What it is, such as `seed`. */
  readonly label: string;
}

/** Wraps and unwraps a cluster's seed. */
export interface SealingProvider {
  /** Stable: it is kept beside what was wrapped. */
  readonly name: string;
  /** One sentence for operators: what it does not protect against. */
  readonly freshness: string;
  /** @throws CoordinatorError COORDINATOR_SEALING_* */
  wrap(seed: Seed, binding: SealingBinding, signal?: AbortSignal): Promise<Uint8Array>;
  /** @throws CoordinatorError COORDINATOR_SEALING_* */
  unwrap(wrapped: Uint8Array, binding: SealingBinding, signal?: AbortSignal): Promise<Seed>;
}

/** Encrypts keys of 32 bytes somewhere else, under a context that must be the same to decrypt. */
export interface KeyWrapper {
  readonly name: string;
  readonly freshness: string;
  /** @returns text that `decrypt` takes, of at most 4 KiB */
  encrypt(key: Uint8Array, context: Uint8Array, signal?: AbortSignal): Promise<string>;
  /** @returns a copy of the key, for the caller to wipe */
  decrypt(ciphertext: string, context: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
}

/** The binding as bytes: part of what a key wrapper authenticates. */
export function contextOf({ clusterId, label }: SealingBinding): Uint8Array {
  return new CanonicalWriter().text(CONTEXT_LABEL).text(clusterId).text(label).finish();
}
