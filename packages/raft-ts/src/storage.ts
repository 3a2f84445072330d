/**
 * What the core needs from stable storage, and an in-memory version of it for tests and examples.
 * Reads are synchronous: a driver keeps the tail of the log that raft may ask for in memory.
 */
import { RaftError, assert } from './errors.ts';
import { sliceWithinBytes } from './log/entries.ts';
import {
  EMPTY_HARD_STATE,
  EMPTY_SNAPSHOT,
  NO_BYTES,
  NO_NODE,
  type ConfState,
  type Entry,
  type HardState,
  type Index,
  type Snapshot,
  type Term,
} from './types.ts';

/** What a node starts from. */
export type InitialState = { readonly hardState: HardState; readonly confState: ConfState };

/** The stable log. What is not yet durable is not in it. */
export interface Storage {
  /** Hard state and membership as of the last start. Read once, by the constructor of RawNode. */
  initialState(): InitialState;
  /**
   * Entries from `lo` (included) to `hi` (excluded), as many as fit in `maxBytes`, at least one.
   * @throws RaftError RAFT_COMPACTED below firstIndex, RAFT_UNAVAILABLE above lastIndex
   */
  entries(lo: Index, hi: Index, maxBytes: number): readonly Entry[];
  /**
   * Term of an entry from firstIndex - 1 (the entry that the log starts after) to lastIndex.
   * @throws RaftError RAFT_COMPACTED, RAFT_UNAVAILABLE
   */
  term(index: Index): Term;
  /** Index of the first entry still present; lastIndex + 1 when there is none. */
  firstIndex(): Index;
  lastIndex(): Index;
  /**
   * The newest snapshot, to bring a member up to date whose next entry is gone. Its index is at
   * least firstIndex - 1.
   * @throws RaftError RAFT_SNAPSHOT_TEMPORARILY_UNAVAILABLE to be asked again later
   */
  snapshot(): Snapshot;
}

/** Storage in memory. Keeps the entries after the last compaction and the newest snapshot. */
export class MemoryStorage implements Storage {
  #hardState: HardState = EMPTY_HARD_STATE;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  /** The entry that the log starts after: what was compacted last. */
  #offset: { readonly index: Index; readonly term: Term } = { index: 0, term: 0 };
  #entries: Entry[] = [];

  initialState(): InitialState {
    return { hardState: this.#hardState, confState: this.#snapshot.metadata.confState };
  }

  entries(lo: Index, hi: Index, maxBytes: number): readonly Entry[] {
    if (lo <= this.#offset.index) throw compacted(lo, this.firstIndex());
    if (hi > this.lastIndex() + 1) throw unavailable(hi - 1, this.lastIndex());
    const from = lo - this.#offset.index - 1;
    return sliceWithinBytes(this.#entries, from, hi - this.#offset.index - 1, maxBytes);
  }

  term(index: Index): Term {
    if (index < this.#offset.index) throw compacted(index, this.firstIndex());
    if (index === this.#offset.index) return this.#offset.term;
    const entry = this.#entries[index - this.#offset.index - 1];
    if (entry === undefined) throw unavailable(index, this.lastIndex());
    return entry.term;
  }

  firstIndex(): Index {
    return this.#offset.index + 1;
  }

  lastIndex(): Index {
    return this.#offset.index + this.#entries.length;
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  setHardState(state: HardState): void {
    this.#hardState = state;
  }

  /**
   * Appends, replacing whatever stood at or after the first new index. Entries at or before the
   * compaction point are skipped.
   */
  append(entries: readonly Entry[]): void {
    const fresh = entries.filter((entry) => entry.index >= this.firstIndex());
    const first = fresh[0];
    if (first === undefined) return;
    assert(first.index <= this.lastIndex() + 1, 'appended entries leave no gap in the log');
    this.#entries.length = first.index - this.#offset.index - 1;
    for (const entry of fresh) this.#entries.push(entry);
  }

  /**
   * Discards entries up to and including `index`.
   * @throws RaftError RAFT_COMPACTED if already discarded, RAFT_UNAVAILABLE beyond the log
   */
  compact(index: Index): void {
    if (index <= this.#offset.index) throw compacted(index, this.firstIndex());
    const term = this.term(index);
    this.#entries.splice(0, index - this.#offset.index);
    this.#offset = { index, term };
  }

  /**
   * Makes `data` the newest snapshot, without touching the log.
   * @throws RaftError RAFT_SNAPSHOT_OUT_OF_DATE unless newer, RAFT_UNAVAILABLE beyond the log
   */
  createSnapshot(index: Index, confState: ConfState | undefined, data: Uint8Array): Snapshot {
    this.#assertNewer(index);
    const metadata = {
      index,
      term: this.term(index),
      confState: confState ?? this.#snapshot.metadata.confState,
    };
    this.#snapshot = { data, metadata };
    return this.#snapshot;
  }

  /**
   * Replaces log and snapshot by a snapshot received from a leader.
   * @throws RaftError RAFT_SNAPSHOT_OUT_OF_DATE unless newer than the present one
   */
  applySnapshot(snapshot: Snapshot): void {
    this.#assertNewer(snapshot.metadata.index);
    this.#snapshot = snapshot;
    this.#offset = { index: snapshot.metadata.index, term: snapshot.metadata.term };
    this.#entries = [];
  }

  /**
   * Gives an empty log its first membership, as every founding member of a group must, alike. The
   * membership takes the place of entry 1 of term 1, so that a member added later, whose log is
   * blank, needs a snapshot and learns the membership from it.
   */
  bootstrap(confState: ConfState): void {
    assert(this.lastIndex() === 0, 'only an empty log is bootstrapped');
    this.applySnapshot({ data: NO_BYTES, metadata: { index: 1, term: 1, confState } });
    this.#hardState = { term: 1, vote: NO_NODE, commit: 1 };
  }

  #assertNewer(index: Index): void {
    if (index > this.#snapshot.metadata.index) return;
    throw new RaftError('RAFT_SNAPSHOT_OUT_OF_DATE', 'a newer snapshot is present', {
      requested: index,
      present: this.#snapshot.metadata.index,
    });
  }
}

function compacted(requested: Index, firstIndex: Index): RaftError {
  return new RaftError('RAFT_COMPACTED', 'entry is no longer in the log', {
    requested,
    firstIndex,
  });
}

function unavailable(requested: Index, lastIndex: Index): RaftError {
  return new RaftError('RAFT_UNAVAILABLE', 'entry is not in the log', { requested, lastIndex });
}
