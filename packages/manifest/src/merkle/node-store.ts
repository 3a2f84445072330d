/**
 * Hashes of perfect subtrees, by level and index: all of the newest leaves, and ever fewer of the
 * older ones. Level 0 holds leaf hashes; a node of level k stands for 2^k leaves.
 */
import { assert } from '@witan/core';
import { MERKLE_HASH_BYTES } from './hashing.ts';

const CAPACITY_MIN = 64;

/** Hashes of one level, packed, without those before `first`. */
class Level {
  #packed: Uint8Array = new Uint8Array(CAPACITY_MIN * MERKLE_HASH_BYTES);
  /** Index that the packed bytes begin with. */
  #start = 0;
  #first = 0;
  #end = 0;

  constructor(first: number) {
    this.#start = first;
    this.#first = first;
    this.#end = first;
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  push(hash: Uint8Array): void {
    const at = (this.#end - this.#start) * MERKLE_HASH_BYTES;
    if (at === this.#packed.byteLength) this.#repack();
    this.#packed.set(hash, (this.#end - this.#start) * MERKLE_HASH_BYTES);
    this.#end += 1;
  }

  get(index: number): Uint8Array | undefined {
    if (index < this.#first || index >= this.#end) return undefined;
    const at = (index - this.#start) * MERKLE_HASH_BYTES;
    return this.#packed.slice(at, at + MERKLE_HASH_BYTES);
  }

  /** What was dropped is freed when the level is packed anew. */
  dropBefore(first: number): void {
    this.#first = Math.max(this.#first, Math.min(first, this.#end));
  }

  /** Room for half as many again as there are, without what was dropped. */
  #repack(): void {
    const live = this.#packed.subarray((this.#first - this.#start) * MERKLE_HASH_BYTES);
    const kept = this.#end - this.#first;
    const capacity = Math.max(CAPACITY_MIN, Math.ceil(kept * 1.5));
    const packed = new Uint8Array(capacity * MERKLE_HASH_BYTES);
    packed.set(live);
    this.#packed = packed;
    this.#start = this.#first;
  }
}

/** Nodes of all levels. */
export class NodeStore {
  readonly #levels: Level[] = [];

  /** @param first index of the first node that the level will hold; matters for a new level */
  push(level: number, hash: Uint8Array, first = 0): void {
    while (this.#levels.length <= level) this.#levels.push(new Level(0));
    let own = this.#levels[level];
    if (own === undefined || (own.end === 0 && first > 0)) {
      own = new Level(first);
      this.#levels[level] = own;
    }
    own.push(hash);
  }

  get(level: number, index: number): Uint8Array | undefined {
    return this.#levels[level]?.get(index);
  }

  /** Index behind the newest node of a level. */
  end(level: number): number {
    return this.#levels[level]?.end ?? 0;
  }

  /** Forgets the nodes of levels from `from` to below `to` that stand for leaves before `leaf`. */
  dropBefore(from: number, to: number, leaf: number): void {
    for (let level = from; level < Math.min(to, this.#levels.length); level += 1) {
      const own = this.#levels[level];
      assert(own !== undefined, 'levels have no gap');
      own.dropBefore(Math.floor(leaf / 2 ** level));
    }
  }
}
