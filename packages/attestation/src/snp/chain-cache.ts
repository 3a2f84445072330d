/**
 * Remembers certificate chains whose signatures were found good, so that many reports of one chip
 * cost one signature check each. Whether a chain is good depends on its bytes alone; whether it is
 * valid now, permitted and not revoked is checked anew each time.
 */
import { concatBytes, toHex, type Crypto } from '@witan/core';
import type { CertificateRevocationList } from '../x509/crl.ts';
import type { SnpChain } from './chain.ts';

/** A chain in which every certificate and the revocation list is signed by the one above. */
export interface VerifiedSnpChain {
  readonly chain: SnpChain;
  readonly crl: CertificateRevocationList | undefined;
}

/** Where a caller keeps chains between verifications. Keys are SHA-256 in hex. */
export interface SnpChainCache {
  readonly get: (key: string) => VerifiedSnpChain | undefined;
  readonly set: (key: string, chain: VerifiedSnpChain) => void;
}

/** The bytes from which a chain is read. */
export interface SnpChainBytes {
  readonly vek: Uint8Array;
  readonly intermediate: Uint8Array;
  readonly root: Uint8Array;
  readonly crl: Uint8Array | undefined;
}

/** The key of a chain: SHA-256 over its parts, each behind its length. */
export function snpChainKey(
  { vek, intermediate, root, crl }: SnpChainBytes,
  crypto: Crypto,
): string {
  const parts = [vek, intermediate, root, ...(crl === undefined ? [] : [crl])];
  const lengths = new Uint8Array(new Uint32Array(parts.map((der) => der.byteLength)).buffer);
  return toHex(crypto.hash('sha256', concatBytes(lengths, ...parts)));
}

/** Keeps the chains that were used last. */
export class RecentSnpChains implements SnpChainCache {
  readonly #chains: Map<string, VerifiedSnpChain> = new Map();
  readonly #chainsMax: number;

  /** @param chainsMax how many chains are kept; each takes about 20 KiB and its revocation list */
  constructor(chainsMax: number) {
    this.#chainsMax = chainsMax;
  }

  get size(): number {
    return this.#chains.size;
  }

  readonly get = (key: string): VerifiedSnpChain | undefined => {
    const chain = this.#chains.get(key);
    if (chain === undefined) return undefined;
    // A map keeps the order of insertion, so the first one is the one not used for longest.
    this.#chains.delete(key);
    this.#chains.set(key, chain);
    return chain;
  };

  readonly set = (key: string, chain: VerifiedSnpChain): void => {
    this.#chains.delete(key);
    this.#chains.set(key, chain);
    while (this.#chains.size > this.#chainsMax) {
      const oldest = this.#chains.keys().next().value;
      if (oldest === undefined) return;
      this.#chains.delete(oldest);
    }
  };
}
