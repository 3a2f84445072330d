/** The benchmark's state machine: keys and values in memory, the newest value of each. */
import type { StateSubscriber } from '@witan/replica';

/** One key and its value, as in a command or a snapshot: key length u16, key, value. */
export function encodePair(key: Uint8Array, value: Uint8Array): Uint8Array {
  const pair = Buffer.allocUnsafe(2 + key.byteLength + value.byteLength);
  pair.writeUInt16BE(key.byteLength);
  pair.set(key, 2);
  pair.set(value, 2 + key.byteLength);
  return pair;
}

const LENGTH_BYTES = 4;

/** See the head of this file. */
export class KvStore implements StateSubscriber {
  /** Pairs by their key in Latin-1. */
  #pairs = new Map<string, Buffer>();
  #bytes = 0;

  get(key: Uint8Array): Uint8Array | undefined {
    const pair = this.#pairs.get(nameOf(key));
    return pair?.subarray(2 + pair.readUInt16BE());
  }

  get size(): number {
    return this.#pairs.size;
  }

  apply(_index: number, command: Uint8Array): undefined {
    this.#set(Buffer.from(command.buffer, command.byteOffset, command.byteLength));
  }

  advance(): void {
    // Nothing to do.
  }

  applyMembership(): void {
    // Members are no part of this state.
  }

  restore(_index: number, _configuration: unknown, snapshot: Uint8Array): void {
    this.#pairs = new Map();
    this.#bytes = 0;
    const all = Buffer.from(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    let at = 0;
    while (at + LENGTH_BYTES <= all.byteLength) {
      const end = at + LENGTH_BYTES + all.readUInt32BE(at);
      this.#set(all.subarray(at + LENGTH_BYTES, end));
      at = end;
    }
  }

  snapshot(): Uint8Array {
    const all = Buffer.allocUnsafe(this.#bytes + LENGTH_BYTES * this.#pairs.size);
    let at = 0;
    for (const pair of this.#pairs.values()) {
      all.writeUInt32BE(pair.byteLength, at);
      all.set(pair, at + LENGTH_BYTES);
      at += LENGTH_BYTES + pair.byteLength;
    }
    return all;
  }

  #set(pair: Buffer): void {
    const name = nameOf(pair.subarray(2, 2 + pair.readUInt16BE()));
    this.#bytes += pair.byteLength - (this.#pairs.get(name)?.byteLength ?? 0);
    this.#pairs.set(name, pair);
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
