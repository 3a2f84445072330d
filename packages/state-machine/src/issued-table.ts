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
  /** Records by workload. */
  readonly #counts: Map<string, number> = new Map();
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
    return this.#records.size >= this.#recordsMax && !this.#hasPrunable(notBeforeMs);
  }

  /** Whether a workload has so many records, of which none goes at this time. */
  isFullFor(workload: string, recordsMax: number, notBeforeMs: number): boolean {
    return this.#countOf(workload) >= recordsMax && !this.#hasPrunable(notBeforeMs);
  }

  /** Looks at every record once at most until one more could go. */
  #hasPrunable(notBeforeMs: number): boolean {
    if (this.#notAfterMsMin >= notBeforeMs - limits.ISSUED_GRACE_MS) return false;
    this.#notAfterMsMin = Infinity;
    for (const { notAfterMs } of this.#records.values()) {
      this.#notAfterMsMin = Math.min(this.#notAfterMsMin, notAfterMs);
    }
    return this.#notAfterMsMin < notBeforeMs - limits.ISSUED_GRACE_MS;
  }

  /** Adds a record. @returns those that expired long before it, and were dropped */
  add(record: IssuedIdentity): readonly IssuedIdentity[] {
    assert(!this.#records.has(record.serial), 'a serial is issued once');
    assert(record.index > this.#newestIndex, 'certificates are recorded in the order of the log');
    const pruned = this.#prune(record.notBeforeMs);
    assert(this.#records.size < this.#recordsMax, 'the certificate table has room');
    this.#insert(record);
    return pruned;
  }

  #insert(record: IssuedIdentity): void {
    this.#newestIndex = record.index;
    this.#notAfterMsMin = Math.min(this.#notAfterMsMin, record.notAfterMs);
    this.#records.set(record.serial, record);
    this.#count(record.workload, 1);
  }

  #countOf(workload: string): number {
    return this.#counts.get(workload) ?? 0;
  }

  #count(workload: string, change: number): void {
    const count = this.#countOf(workload) + change;
    if (count === 0) this.#counts.delete(workload);
    else this.#counts.set(workload, count);
  }

  #prune(notBeforeMs: number): readonly IssuedIdentity[] {
    if (this.#notAfterMsMin >= notBeforeMs - limits.ISSUED_GRACE_MS) return [];
    this.#notAfterMsMin = Infinity;
    const pruned: IssuedIdentity[] = [];
    for (const [serial, record] of this.#records) {
      if (isPrunable(record, notBeforeMs)) {
        this.#records.delete(serial);
        this.#count(record.workload, -1);
        pruned.push(record);
      } else this.#notAfterMsMin = Math.min(this.#notAfterMsMin, record.notAfterMs);
    }
    return pruned;
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
