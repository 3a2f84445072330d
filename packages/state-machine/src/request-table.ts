/**
 * Results by request key, so that a retry gets the first answer and has no second effect. Bounded:
 * the oldest entry by log index goes first, on every replica at the same command.
 */
import {
  assert,
  sha256Hex,
  type CanonicalReader,
  type CanonicalWriter,
  type Sha256Hex,
} from '@witan/core';
import { badValue, readHex, writeHex } from './codec.ts';
import { requestKey, type RequestKey } from './commands.ts';
import * as limits from './limits.ts';
import { readResult, writeResult, type RememberedResult } from './results.ts';

interface RequestEntry {
  readonly key: RequestKey;
  readonly index: number;
  /** What was asked for under the key. */
  readonly digest: Sha256Hex;
  readonly result: RememberedResult;
}

export class RequestTable {
  /** In ascending order of log indexes, because entries are only ever added at the end. */
  readonly #entries: Map<RequestKey, RequestEntry> = new Map();
  readonly #entriesMax: number;
  #newestIndex = 0;

  constructor(entriesMax: number = limits.REQUESTS_MAX) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: RequestKey): RequestEntry | undefined {
    return this.#entries.get(key);
  }

  add(entry: RequestEntry): void {
    assert(!this.#entries.has(entry.key), 'a request key gets one result');
    assert(entry.index > this.#newestIndex, 'results are remembered in the order of the log');
    this.#newestIndex = entry.index;
    this.#entries.set(entry.key, entry);
    if (this.#entries.size <= this.#entriesMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  write(writer: CanonicalWriter): void {
    writer.list([...this.#entries.values()], (to, entry) => {
      writeHex(to, entry.key);
      to.u64(entry.index);
      writeHex(to, entry.digest);
      writeResult(to, entry.result);
    });
  }

  /** @param indexMax the newest index that the state can know of */
  static read(reader: CanonicalReader, indexMax: number): RequestTable {
    const table = new RequestTable();
    const entries = reader.list(limits.REQUESTS_MAX, (from) => ({
      key: requestKey(from.fixed(limits.REQUEST_KEY_BYTES)),
      index: from.u64(),
      digest: sha256Hex(readHex(from, 32)),
      result: readResult(from),
    }));
    for (const entry of entries) {
      const ascends = entry.index > table.#newestIndex && entry.index <= indexMax;
      if (!ascends || table.#entries.has(entry.key)) throw badValue('request keys out of order');
      table.add(entry);
    }
    return table;
  }
}
