/** Seeded randomness with the shapes that a simulation draws. Never for keys. */

/** sfc32: small, fast, and good enough to explore with. The same seed gives the same numbers. */
export class SimRandom {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  /** @param stream separates sources of one seed, so that drawing from one leaves others alone */
  constructor(seed: number, stream: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) >>> 0;
    this.#c = stream >>> 0;
    for (let round = 0; round < 12; round += 1) this.#next();
  }

  /** A whole number from 0 to `bound` - 1. */
  int(bound: number): number {
    return Math.floor((this.#next() / 0x1_0000_0000) * bound);
  }

  between(min: number, max: number): number {
    return min + this.int(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.#next() < probability * 0x1_0000_0000;
  }

  /** Exponentially distributed. */
  exponential(mean: number): number {
    return -Math.log(1 - this.#next() / 0x1_0000_0001) * mean;
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item;
  pick<Item>(items: readonly Item[]): Item | undefined;
  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.int(items.length)];
  }

  bytes(byteLength: number): Uint8Array {
    return Uint8Array.from({ length: byteLength }, () => this.int(256));
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
