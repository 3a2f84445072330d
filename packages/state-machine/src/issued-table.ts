/**
 * Records of issued certificates, by serial. Bounded twice: a record goes when its certificate has
 * been expired for a day by the clock of a later command, and above a fixed number none is added.
 */
import { assert, type CanonicalReader, type CanonicalWriter } from '@witan/core';
import { badValue } from './codec.ts';
import * as limits from './limits.ts';
import { readIssued, writeIssued, type IssuedIdentity } from './results.ts';

export class IssuedTable {
  /** In ascending order of log indexes. */
  readonly #records: Map<string, IssuedIdentity> = new Map();
  readonly #recordsMax: number;
  /** Lower bound of all `notAfterMs`, so that most commands need not look at every record. */
  #notAfterMsMin = Infinity;
  #newestIndex = 0;

  constructor(recordsMax: number = limits.ISSUED_MAX) {
    this.#recordsMax = recordsMax;
  }

  get size(): number {
    return this.#records.size;
  }

  get(serial: string): IssuedIdentity | undefined {
    return this.#records.get(serial);
  }

  values(): Iterable<IssuedIdentity> {
    return this.#records.values();
  }

  /** Whether nothing could be added by a command with this time, even after pruning. */
  isFullAt(notBeforeMs: number): boolean {
    if (this.#records.size < this.#recordsMax) return false;
    for (const record of this.#records.values()) {
      if (isPrunable(record, notBeforeMs)) return false;
    }
    return true;
  }

  /** Adds a record and drops those that expired long before it. */
  add(record: IssuedIdentity): void {
    assert(!this.#records.has(record.serial), 'a serial is issued once');
    assert(record.index > this.#newestIndex, 'certificates are recorded in the order of the log');
    this.#prune(record.notBeforeMs);
    assert(this.#records.size < this.#recordsMax, 'the certificate table has room');
    this.#insert(record);
  }

  #insert(record: IssuedIdentity): void {
    this.#newestIndex = record.index;
    this.#notAfterMsMin = Math.min(this.#notAfterMsMin, record.notAfterMs);
    this.#records.set(record.serial, record);
  }

  #prune(notBeforeMs: number): void {
    if (this.#notAfterMsMin >= notBeforeMs - limits.ISSUED_GRACE_MS) return;
    this.#notAfterMsMin = Infinity;
    for (const [serial, record] of this.#records) {
      if (isPrunable(record, notBeforeMs)) this.#records.delete(serial);
      else this.#notAfterMsMin = Math.min(this.#notAfterMsMin, record.notAfterMs);
    }
  }

  write(writer: CanonicalWriter): void {
    writer.list([...this.#records.values()], writeIssued);
  }

  /** @param indexMax the newest index that the state can know of */
  static read(reader: CanonicalReader, indexMax: number): IssuedTable {
    const table = new IssuedTable();
    for (const record of reader.list(limits.ISSUED_MAX, readIssued)) {
      const ascends = record.index > table.#newestIndex && record.index <= indexMax;
      if (!ascends || table.#records.has(record.serial)) {
        throw badValue('certificate records out of order');
      }
      table.#insert(record);
    }
    return table;
  }
}

function isPrunable(record: IssuedIdentity, notBeforeMs: number): boolean {
  return record.notAfterMs < notBeforeMs - limits.ISSUED_GRACE_MS;
}
