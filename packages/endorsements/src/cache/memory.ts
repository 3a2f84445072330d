/** Verified endorsements in memory, the least recently used dropped first. */
import type { UnixMillis } from '@witan/core';
import type { VerifiedItem } from '../verify/trust.ts';

/** A verified endorsement with the time at which it was fetched. */
export interface HeldItem {
  readonly item: VerifiedItem;
  readonly fetchedAt: UnixMillis;
}

/** A map that is bounded by the size of what it holds. */
export class MemoryCache {
  readonly #held: Map<string, HeldItem> = new Map();
  readonly #bytesMax: number;
  #bytes = 0;

  /** @param bytesMax bound on bodies and chains together */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): HeldItem | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    this.#held.delete(key);
    this.#held.set(key, held);
    return held;
  }

  set(key: string, held: HeldItem): void {
    this.#drop(key);
    this.#held.set(key, held);
    this.#bytes += bytesOf(held);
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#bytes -= bytesOf(held);
  }
}

/** A little more than the bytes, so that many small items count too. */
function bytesOf({ item }: HeldItem): number {
  return item.body.byteLength + item.issuerChain.byteLength + 1024;
}
