/**
 * The newest leaves, whole. They are packed in pages of 256, and whole pages are dropped from the
 * old end, so what is kept follows from the leaves alone and is the same on every replica.
 */
import { assert, concatBytes, type CanonicalReader, type CanonicalWriter } from '@witan/core';
import { LOG_LEAF_BYTES_MAX } from '@witan/manifest';
import { badValue } from './codec.ts';
import * as limits from './limits.ts';

const PAGE = 256;

interface Page {
  readonly packed: Uint8Array;
  /** Where each leaf ends. */
  readonly ends: Uint32Array;
}

/** How much is kept. */
export interface WindowLimits {
  readonly leavesMax: number;
  readonly bytesMax: number;
}

const LIMITS: WindowLimits = {
  leavesMax: limits.LOG_LEAVES_KEPT_MAX,
  bytesMax: limits.LOG_LEAVES_BYTES_MAX,
};

export class LeafWindow {
  readonly #limits: WindowLimits;
  /** Full pages, oldest first. */
  readonly #pages: Page[] = [];
  /** The page that is being filled. */
  #open: Uint8Array[] = [];
  #first = 0;
  #bytes = 0;

  /** @param size number of leaves that the log has already */
  constructor(size = 0, windowLimits: WindowLimits = LIMITS) {
    this.#first = size;
    this.#limits = windowLimits;
  }

  /** The oldest leaf that is kept. */
  get first(): number {
    return this.#first;
  }

  /** Behind the newest leaf. */
  get end(): number {
    return this.#first + this.#pages.length * PAGE + this.#open.length;
  }

  append(leaf: Uint8Array): void {
    this.#open.push(leaf);
    this.#bytes += leaf.byteLength;
    if (this.end % PAGE === 0) this.#close();
    while (this.#isFull()) this.#drop();
  }

  /** The bytes of a leaf; undefined where it is not kept or not there yet. */
  get(index: number): Uint8Array | undefined {
    if (index < this.#first || index >= this.end) return undefined;
    const page = this.#pages[Math.floor((index - this.#first) / PAGE)];
    const at = (index - this.#first) % PAGE;
    if (page === undefined) return this.#open[at];
    return page.packed.subarray(at === 0 ? 0 : page.ends[at - 1], page.ends[at]);
  }

  write(writer: CanonicalWriter): void {
    writer.u64(this.#first).u32(this.end - this.#first);
    for (let index = this.#first; index < this.end; index += 1) {
      const leaf = this.get(index);
      assert(leaf !== undefined, 'kept leaves have no gap');
      writer.bytes(leaf);
    }
  }

  /** @param size number of leaves of the log @throws CanonicalError */
  static read(reader: CanonicalReader, size: number): LeafWindow {
    const first = reader.u64();
    const count = reader.u32();
    const isFitting = first % PAGE === 0 && first + count === size;
    if (!isFitting || count > limits.LOG_LEAVES_KEPT_MAX + PAGE) {
      throw badValue('leaves of another place in the log');
    }
    const window = new LeafWindow(first);
    for (let at = 0; at < count; at += 1) window.append(reader.bytes(LOG_LEAF_BYTES_MAX));
    if (window.first !== first) throw badValue('more leaves than are kept');
    return window;
  }

  #close(): void {
    const ends = new Uint32Array(this.#open.length);
    let end = 0;
    for (const [at, { byteLength }] of this.#open.entries()) ends[at] = end += byteLength;
    this.#pages.push({ packed: concatBytes(...this.#open), ends });
    this.#open = [];
  }

  #isFull(): boolean {
    const { leavesMax, bytesMax } = this.#limits;
    const isOver = this.end - this.#first > leavesMax || this.#bytes > bytesMax;
    return isOver && this.#pages.length > 0;
  }

  #drop(): void {
    const oldest = this.#pages.shift();
    assert(oldest !== undefined, 'a window that is full has a page');
    this.#first += PAGE;
    this.#bytes -= oldest.packed.byteLength;
  }
}
