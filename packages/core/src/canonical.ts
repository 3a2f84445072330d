/**
 * Canonical bytes: one value has one encoding, and a reader accepts nothing else. Used for whatever
 * is hashed, signed, sealed or replicated. Integers are big-endian; variable parts carry a 32-bit
 * length, so no two different sequences of parts encode to the same bytes.
 */
import { BytesError, fromUtf8, utf8 } from './bytes.ts';
import { CodedError, type ErrorFields } from './errors.ts';
import { assert } from './assert.ts';

/** In which way bytes are not canonical. */
export type CanonicalErrorCode =
  'CANONICAL_TRUNCATED' | 'CANONICAL_TRAILING' | 'CANONICAL_TOO_LARGE' | 'CANONICAL_BAD_VALUE';

/** Bytes that are not the canonical encoding of what was expected. */
export class CanonicalError extends CodedError<CanonicalErrorCode> {
  constructor(code: CanonicalErrorCode, message: string, fields: ErrorFields = {}) {
    super(code, message, { fields });
  }
}

/** Appends parts to a growing buffer. */
export class CanonicalWriter {
  #buffer: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  /** @param expectedBytes room to begin with; what is exactly filled is not copied at the end */
  constructor(expectedBytes: number = 256) {
    this.#buffer = new Uint8Array(expectedBytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  u8(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xff, 'u8 in range');
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u32(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, 'u32 in range');
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
    return this;
  }

  /** A whole number from 0 to 2^53-1 in eight bytes. */
  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, 'u64 is a safe integer');
    const at = this.#reserve(8);
    this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(at + 4, value % 0x1_0000_0000);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** Bytes whose length both sides know; no length is written. */
  fixed(bytes: Uint8Array): this {
    // Reserving may replace the buffer, so it comes first.
    const at = this.#reserve(bytes.byteLength);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Bytes behind their length. */
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.byteLength).fixed(bytes);
  }

  /** UTF-8 text behind its length in bytes. */
  text(text: string): this {
    return this.bytes(utf8(text));
  }

  /** A list behind the number of its items. */
  list<Item>(items: readonly Item[], write: (writer: this, item: Item) => void): this {
    this.u32(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  /** A presence byte, then the value where there is one. */
  optional<Item>(item: Item | undefined, write: (writer: this, item: Item) => void): this {
    this.bool(item !== undefined);
    if (item !== undefined) write(this, item);
    return this;
  }

  /** Everything written so far. Writing on does not change it. */
  finish(): Uint8Array<ArrayBuffer> {
    // A full buffer is left behind by the next write, so it can be given away.
    if (this.#length === this.#buffer.byteLength) return this.#buffer;
    return this.#buffer.slice(0, this.#length);
  }

  #reserve(byteLength: number): number {
    const at = this.#length;
    const needed = at + byteLength;
    if (needed > this.#buffer.byteLength) {
      const grown = new Uint8Array(Math.max(needed, this.#buffer.byteLength * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }
}

/** Reads what `CanonicalWriter` wrote. Every method throws CanonicalError on anything else. */
export class CanonicalReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get bytesLeft(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) {
      throw new CanonicalError('CANONICAL_BAD_VALUE', 'number above 2^53-1', { offset: at });
    }
    return value;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) {
      throw new CanonicalError('CANONICAL_BAD_VALUE', 'boolean is neither 0 nor 1', {
        found: value,
      });
    }
    return value === 1;
  }

  /** A copy of exactly `byteLength` bytes. */
  fixed(byteLength: number): Uint8Array<ArrayBuffer> {
    const at = this.#take(byteLength);
    return Uint8Array.from(this.#bytes.subarray(at, at + byteLength));
  }

  /** @param bytesMax refuse a longer value before copying anything */
  bytes(bytesMax: number): Uint8Array<ArrayBuffer> {
    const byteLength = this.u32();
    if (byteLength > bytesMax) throw tooLarge('bytes', byteLength, bytesMax);
    return this.fixed(byteLength);
  }

  /** @param bytesMax limit of the UTF-8 encoding in bytes */
  text(bytesMax: number): string {
    const bytes = this.bytes(bytesMax);
    try {
      return fromUtf8(bytes);
    } catch (error) {
      if (!(error instanceof BytesError)) throw error;
      throw new CanonicalError('CANONICAL_BAD_VALUE', 'text is not well-formed UTF-8');
    }
  }

  list<Item>(itemsMax: number, read: (reader: this) => Item): Item[] {
    const length = this.u32();
    if (length > itemsMax) throw tooLarge('items', length, itemsMax);
    const items: Item[] = [];
    for (let i = 0; i < length; i += 1) items.push(read(this));
    return items;
  }

  optional<Item>(read: (reader: this) => Item): Item | undefined {
    return this.bool() ? read(this) : undefined;
  }

  /** Demands that nothing is left. */
  end(): void {
    if (this.bytesLeft > 0) {
      throw new CanonicalError('CANONICAL_TRAILING', 'bytes behind the end of the value', {
        found: this.bytesLeft,
      });
    }
  }

  #take(byteLength: number): number {
    if (byteLength > this.bytesLeft) {
      throw new CanonicalError('CANONICAL_TRUNCATED', 'value ends too early', {
        expected: byteLength,
        found: this.bytesLeft,
      });
    }
    const at = this.#offset;
    this.#offset += byteLength;
    return at;
  }
}

function tooLarge(unit: string, found: number, expected: number): CanonicalError {
  return new CanonicalError('CANONICAL_TOO_LARGE', 'value above its limit', {
    unit,
    expected,
    found,
  });
}
