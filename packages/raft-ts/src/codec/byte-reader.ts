/** Reads what ByteWriter wrote. Every failure is a RaftError; nothing is read past the end. */
import { RaftError } from '../errors.ts';

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  /** @throws RaftError RAFT_CODEC_LIMIT_EXCEEDED if there are more than `bytesMax` bytes */
  constructor(bytes: Uint8Array, bytesMax: number) {
    if (bytes.byteLength > bytesMax) {
      throw new RaftError('RAFT_CODEC_LIMIT_EXCEEDED', 'encoding is larger than allowed', {
        bytes: bytes.byteLength,
        bytesMax,
      });
    }
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.byteLength - at) {
      throw new RaftError('RAFT_CODEC_TRUNCATED', 'encoding ends too early', { offset: at });
    }
    this.#at = at + count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** 8 bytes that hold an integer of at most `max`. */
  u53(max: number): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at);
    const value = high * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    // Beyond 2^53 the sum may have been rounded, but it is then above every `max`.
    if (high >= 0x20_0000 || value > max) throw this.malformed('integer');
    return value;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw this.malformed('boolean');
    return value === 1;
  }

  /** A copy, so that the result does not keep the whole input alive or change with it. */
  bytes(): Uint8Array {
    const length = this.u32();
    const at = this.#take(length);
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(at, at + length));
    return copy;
  }

  /** A number of items, of which each takes at least `itemBytesMin`: bounds what is allocated. */
  count(itemBytesMin: number): number {
    const count = this.u32();
    if (count * itemBytesMin > this.#bytes.byteLength - this.#at) {
      throw new RaftError('RAFT_CODEC_TRUNCATED', 'encoding ends too early', { offset: this.#at });
    }
    return count;
  }

  /** @throws RaftError RAFT_CODEC_TRAILING_BYTES unless everything was read */
  end(): void {
    if (this.#at === this.#bytes.byteLength) return;
    throw new RaftError('RAFT_CODEC_TRAILING_BYTES', 'bytes follow the encoding', {
      offset: this.#at,
    });
  }

  malformed(what: string): RaftError {
    return new RaftError('RAFT_CODEC_MALFORMED', 'encoding is not canonical', {
      what,
      offset: this.#at,
    });
  }
}
