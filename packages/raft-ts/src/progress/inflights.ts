/**
 * The window of appends that a follower has not acknowledged yet, bounded in messages and bytes.
 */
import { assert } from '../errors.ts';
import type { Index } from '../types.ts';

type Slot = { readonly lastIndex: Index; readonly bytes: number };

/** First in, first out; the space grows with use, never beyond the limits. */
export class Inflights {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  #slots: Slot[] = [];
  /** Slots before this one are free. Keeps `freeUpTo` from shifting the array each time. */
  #head = 0;
  #bytes = 0;

  /**
   * @param messagesMax most messages in flight
   * @param bytesMax most bytes in flight, reached when exceeded by the last message; 0 = unlimited
   */
  constructor(messagesMax: number, bytesMax: number) {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
  }

  /** Notes a message whose last entry has `lastIndex`. Only legal while not full. */
  add(lastIndex: Index, bytes: number): void {
    assert(!this.isFull(), 'a full window of appends takes no more');
    this.#slots.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** Frees every message whose last index is at most `index`. */
  freeUpTo(index: Index): void {
    for (;;) {
      const slot = this.#slots[this.#head];
      if (slot === undefined || slot.lastIndex > index) break;
      this.#bytes -= slot.bytes;
      this.#head += 1;
    }
    if (this.#head === this.#slots.length) this.#clear();
    else if (this.#head > 64 && this.#head * 2 > this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
  }

  isFull(): boolean {
    if (this.count() >= this.#messagesMax) return true;
    return this.#bytesMax !== 0 && this.#bytes >= this.#bytesMax;
  }

  count(): number {
    return this.#slots.length - this.#head;
  }

  reset(): void {
    this.#clear();
    this.#bytes = 0;
  }

  #clear(): void {
    this.#slots = [];
    this.#head = 0;
  }
}
