/**
 * What expires first: a binary heap over the ends of validity. Certificates expire one by one while
 * others are issued, and looking at all of them for each would cost every replica a walk over the
 * whole table with every command (I10).
 */

/** Items by the time at which they expire, the earliest first. */
export class ExpiryQueue<Item> {
  readonly #items: Item[] = [];
  readonly #expiryOf: (item: Item) => number;

  /** @param expiryOf a time that does not change while the item is in here */
  constructor(expiryOf: (item: Item) => number) {
    this.#expiryOf = expiryOf;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The item that expires first, or undefined where there is none. */
  peek(): Item | undefined {
    return this.#items[0];
  }

  add(item: Item): void {
    const items = this.#items;
    const expiry = this.#expiryOf(item);
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = items[parentAt];
      if (parent === undefined || this.#expiryOf(parent) <= expiry) break;
      items[at] = parent;
      at = parentAt;
    }
    items[at] = item;
  }

  /** Takes out the item that expires first. */
  take(): Item | undefined {
    const items = this.#items;
    const [first] = items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    this.#sink(last);
    return first;
  }

  /** Puts an item in place of the first, and down to where it belongs. */
  #sink(item: Item): void {
    const items = this.#items;
    const expiry = this.#expiryOf(item);
    let at = 0;
    for (;;) {
      const [leftAt, rightAt] = [at * 2 + 1, at * 2 + 2];
      const [left, right] = [items[leftAt], items[rightAt]];
      if (left === undefined) break;
      const isRight = right !== undefined && this.#expiryOf(right) < this.#expiryOf(left);
      const child = isRight ? right : left;
      if (this.#expiryOf(child) >= expiry) break;
      items[at] = child;
      at = isRight ? rightAt : leftAt;
    }
    items[at] = item;
  }
}
