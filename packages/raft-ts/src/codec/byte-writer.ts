/** Writes fixed-width big-endian fields into one buffer whose exact size is known beforehand. */
import { assert } from '../errors.ts';

export class ByteWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  /** A safe integer as 8 bytes. */
  u53(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'encoded integers are safe and not negative');
    this.#view.setUint32(this.#at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(this.#at + 4, value >>> 0);
    this.#at += 8;
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** A length and as many bytes. */
  bytes(value: Uint8Array): void {
    this.u32(value.byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  /** The buffer, which must be full by now. */
  finish(): Uint8Array {
    assert(this.#at === this.#bytes.byteLength, 'the size of an encoding was computed right');
    return this.#bytes;
  }
}
