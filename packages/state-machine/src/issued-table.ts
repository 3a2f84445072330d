/**
 * Records of issued certificates, by serial. Bounded twice: a record goes when its certificate has
 * been expired for a day by the clocks of the newest 1,024 commands, and above a fixed number none
 * is added.
 *
 * Of one command the clock would not do: a host that turns it ahead for a moment would have the
 * cluster forget whom a manifest has revoked (I5). It does only where there is no room otherwise.
 */
import { assert, type CanonicalReader, type CanonicalWriter } from '@witan/core';
import { badValue } from './codec.ts';
import { ExpiryQueue } from './expiry-queue.ts';
import * as limits from './limits.ts';
import { readIssued, writeIssued, type IssuedIdentity } from './results.ts';

export class IssuedTable {
  /** In ascending order of log indexes. */
  readonly #records: Map<string, IssuedIdentity> = new Map();
  readonly #recordsMax: number;
  readonly #witnessesMax: number;
  /** Where the newest certificates begin; the next one goes to `#next`. */
  readonly #witnesses: number[] = [];
  #next = 0;
  /** Records by workload. */
  readonly #counts: Map<string, number> = new Map();
  /** The same records, so that no command looks at all of them. */
  readonly #expiries: ExpiryQueue<IssuedIdentity> = new ExpiryQueue((record) => record.notAfterMs);
  #newestIndex = 0;

  constructor(
    recordsMax: number = limits.ISSUED_MAX,
    witnessesMax: number = limits.ISSUED_WITNESSES,
  ) {
    this.#recordsMax = recordsMax;
    this.#witnessesMax = witnessesMax;
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

  /** By one clock alone: where there is no room, nobody else's comes. */
  #hasPrunable(timeMs: number): boolean {
    const first = this.#expiries.peek();
    return first !== undefined && first.notAfterMs < timeMs - limits.ISSUED_GRACE_MS;
  }

  /** The earliest of the newest clocks; undefined while there are too few of them. */
  #witnessed(): number | undefined {
    const isEnough = this.#witnesses.length === this.#witnessesMax;
    return isEnough ? Math.min(...this.#witnesses) : undefined;
  }

  /** Adds a record. @returns those that expired long before it, and were dropped */
  add(record: IssuedIdentity): readonly IssuedIdentity[] {
    assert(!this.#records.has(record.serial), 'a serial is issued once');
    assert(record.index > this.#newestIndex, 'certificates are recorded in the order of the log');
    const pruned = this.#pruneAt(record.notBeforeMs);
    assert(this.#records.size < this.#recordsMax, 'the certificate table has room');
    this.#insert(record);
    return pruned;
  }

  #insert(record: IssuedIdentity): void {
    this.#newestIndex = record.index;
    this.#expiries.add(record);
    this.#witnesses[this.#next] = record.notBeforeMs;
    this.#next = (this.#next + 1) % this.#witnessesMax;
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

  #pruneAt(notBeforeMs: number): readonly IssuedIdentity[] {
    // Most commands drop nothing, and need not look at what others have witnessed.
    if (!this.#hasPrunable(notBeforeMs)) return [];
    const witnessedMs = this.#witnessed();
    const pruned = witnessedMs === undefined ? [] : this.#prune(Math.min(notBeforeMs, witnessedMs));
    const isFull = this.#records.size >= this.#recordsMax;
    return isFull ? [...pruned, ...this.#prune(notBeforeMs)] : pruned;
  }

  /** @returns what was dropped, in the order of the log */
  #prune(timeMs: number): readonly IssuedIdentity[] {
    const pruned: IssuedIdentity[] = [];
    while (this.#hasPrunable(timeMs)) {
      const record = this.#expiries.take();
      assert(record !== undefined, 'what can be pruned is there');
      this.#records.delete(record.serial);
      this.#count(record.workload, -1);
      pruned.push(record);
    }
    return pruned.sort((one, other) => one.index - other.index);
  }

  write(writer: CanonicalWriter): void {
    writer.list([...this.#records.values()], writeIssued);
  }

  /**
   * Whoever reads a snapshot has to forget at the same commands as whoever was there. It holds the
   * clocks of the records that are left, and that is enough: of the newest ones none goes, unless
   * there was no room, and then all has gone that the clocks of that time could bring down.
   *
   * @param indexMax the newest index that the state can know of
   * @param table where it goes: an empty one
   */
  static read(
    reader: CanonicalReader,
    indexMax: number,
    table: IssuedTable = new IssuedTable(),
  ): IssuedTable {
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
