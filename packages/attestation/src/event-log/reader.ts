/** Consecutive little-endian fields of an event log, with the offset in every refusal. */
import { AttestationError } from '../errors.ts';

/** Methods throw AttestationError EVENT_LOG_MALFORMED where the bytes end. */
export class EventLogReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get left(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  u8(what: string): number {
    return this.#view.getUint8(this.#advance(1, what));
  }

  u16(what: string): number {
    return this.#view.getUint16(this.#advance(2, what), true);
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#advance(4, what), true);
  }

  /** A copy of the next bytes. */
  take(length: number, what: string): Uint8Array {
    const at = this.#advance(length, what);
    return this.#bytes.slice(at, at + length);
  }

  malformed(what: string, expected: string, found: number | string): AttestationError {
    const fields = { what, offset: this.#offset, expected, found };
    return new AttestationError('EVENT_LOG_MALFORMED', fields);
  }

  #advance(length: number, what: string): number {
    const at = this.#offset;
    if (length > this.left) throw this.malformed(what, `${length} more bytes`, this.left);
    this.#offset += length;
    return at;
  }
}
