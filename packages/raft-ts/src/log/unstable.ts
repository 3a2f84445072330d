/**
 * The end of the log that is not yet known to be durable: a snapshot, entries, or both in turn.
 * Entries before `#offsetInProgress` have been handed out to be written.
 */
import { assert } from '../errors.ts';
import type { Entry, Index, Snapshot, Term } from '../types.ts';
import { sliceWithinBytes } from './entries.ts';

export class Unstable {
  /** Received from a leader and not yet durable. */
  #snapshot: Snapshot | undefined;
  #snapshotInProgress = false;
  #entries: Entry[] = [];
  /** Index of the first element of `#entries`, whether there is one or not. */
  #offset: Index;
  #offsetInProgress: Index;

  /** @param offset one more than the last durable index */
  constructor(offset: Index) {
    this.#offset = offset;
    this.#offsetInProgress = offset;
  }

  get offset(): Index {
    return this.#offset;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  hasEntries(): boolean {
    return this.#entries.length > 0;
  }

  /** First index after the snapshot, if one is held. */
  firstIndex(): Index | undefined {
    return this.#snapshot === undefined ? undefined : this.#snapshot.metadata.index + 1;
  }

  /** Last index held here, if any. */
  lastIndex(): Index | undefined {
    if (this.#entries.length > 0) return this.#offset + this.#entries.length - 1;
    return this.#snapshot?.metadata.index;
  }

  /** Term of an index, if it is held here. */
  term(index: Index): Term | undefined {
    if (index >= this.#offset) return this.#entries[index - this.#offset]?.term;
    const metadata = this.#snapshot?.metadata;
    return metadata?.index === index ? metadata.term : undefined;
  }

  /** Entries from `lo` (included) to `hi` (excluded), all of which must be here, by size. */
  slice(lo: Index, hi: Index, maxBytes: number): readonly Entry[] {
    assert(lo >= this.#offset, 'a slice starts within the unstable entries');
    assert(hi <= this.#offset + this.#entries.length, 'a slice ends within the unstable entries');
    return sliceWithinBytes(this.#entries, lo - this.#offset, hi - this.#offset, maxBytes);
  }

  hasNextEntries(): boolean {
    return this.#offset + this.#entries.length > this.#offsetInProgress;
  }

  /** Entries that have not been handed out to be written. */
  nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.#offsetInProgress - this.#offset);
  }

  /** The snapshot, unless it has been handed out to be written. */
  nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.#snapshot;
  }

  /** Notes that everything here has been handed out to be written. */
  acceptInProgress(): void {
    this.#offsetInProgress = this.#offset + this.#entries.length;
    if (this.#snapshot !== undefined) this.#snapshotInProgress = true;
  }

  /**
   * Releases entries that are durable. Ignored if the entry at `index` has another term by now: the
   * write finished for entries that were since replaced. Whether the same entry was replaced and
   * came back (ABA) is ruled out by the caller, which ignores writes asked for in earlier terms.
   */
  stableTo(index: Index, term: Term): void {
    if (index < this.#offset || this.term(index) !== term) return;
    this.#entries = this.#entries.slice(index + 1 - this.#offset);
    this.#offset = index + 1;
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset);
  }

  stableSnapshotTo(index: Index): void {
    if (this.#snapshot?.metadata.index !== index) return;
    this.#snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  /** Replaces everything by a snapshot. */
  restore(snapshot: Snapshot): void {
    this.#offset = snapshot.metadata.index + 1;
    this.#offsetInProgress = this.#offset;
    this.#entries = [];
    this.#snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** Appends, replacing whatever stood at or after the first new index. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const end = this.#offset + this.#entries.length;
    assert(first.index <= end, 'appended entries leave no gap');
    if (first.index === end) {
      for (const entry of entries) this.#entries.push(entry);
    } else if (first.index <= this.#offset) {
      this.#entries = [...entries];
      this.#offset = first.index;
      this.#offsetInProgress = first.index;
    } else {
      this.#entries = [...this.#entries.slice(0, first.index - this.#offset), ...entries];
      this.#offsetInProgress = Math.min(this.#offsetInProgress, first.index);
    }
  }
}
