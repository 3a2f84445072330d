/**
 * The whole log: what storage holds, followed by what is not yet durable, with three marks:
 * committed (decided), applying (handed out to the application), applied (done).
 * Invariant: applied <= applying <= committed <= lastIndex.
 */
import { RaftError, assert } from '../errors.ts';
import type { Storage } from '../storage.ts';
import { entriesSizeBytes, type Entry, type Index, type Snapshot, type Term } from '../types.ts';
import { Unstable } from './unstable.ts';

export type EntryId = { readonly term: Term; readonly index: Index };

export class RaftLog {
  readonly unstable: Unstable;
  readonly #storage: Storage;
  readonly #applyingBytesMax: number;
  #committed: Index;
  #applying: Index;
  #applied: Index;
  /** Encoded bytes of entries between applied and applying. */
  #applyingBytes = 0;
  /** Nothing more is handed out until some of it has been applied. */
  #applyingPaused = false;

  /** @param applyingBytesMax encoded bytes handed out to be applied at one time */
  constructor(storage: Storage, applyingBytesMax: number) {
    this.#storage = storage;
    this.#applyingBytesMax = applyingBytesMax;
    const start = storage.firstIndex() - 1;
    this.#committed = start;
    this.#applying = start;
    this.#applied = start;
    this.unstable = new Unstable(storage.lastIndex() + 1);
  }

  get committed(): Index {
    return this.#committed;
  }

  get applied(): Index {
    return this.#applied;
  }

  get applying(): Index {
    return this.#applying;
  }

  firstIndex(): Index {
    return this.unstable.firstIndex() ?? this.#storage.firstIndex();
  }

  lastIndex(): Index {
    return this.unstable.lastIndex() ?? this.#storage.lastIndex();
  }

  lastEntryId(): EntryId {
    const index = this.lastIndex();
    const term = this.term(index);
    assert(term !== undefined, 'the term of the last entry is known');
    return { term, index };
  }

  /** Term of an index, or undefined if it was compacted or is not there yet. */
  term(index: Index): Term | undefined {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    if (index + 1 < this.firstIndex() || index > this.lastIndex()) return undefined;
    // Storage may have been compacted by another thread of control since firstIndex was read.
    return unlessCompacted(() => this.#storage.term(index));
  }

  matchesTerm(index: Index, term: Term): boolean {
    return this.term(index) === term;
  }

  /** Whether a candidate's log is at least as complete as this one (Raft paper, section 5.4.1). */
  isUpToDate(candidate: EntryId): boolean {
    const own = this.lastEntryId();
    if (candidate.term !== own.term) return candidate.term > own.term;
    return candidate.index >= own.index;
  }

  /**
   * Entries from `lo` on, as many as fit in `maxBytes`, at least one if there is one; undefined if
   * `lo` was compacted.
   */
  entriesFrom(lo: Index, maxBytes: number): readonly Entry[] | undefined {
    if (lo > this.lastIndex()) return [];
    return this.slice(lo, this.lastIndex() + 1, maxBytes);
  }

  /** Entries from `lo` (included) to `hi` (excluded); undefined if `lo` was compacted. */
  slice(lo: Index, hi: Index, maxBytes: number): readonly Entry[] | undefined {
    assert(lo <= hi && hi <= this.lastIndex() + 1, 'a slice stays within the log');
    if (lo < this.firstIndex()) return undefined;
    if (lo === hi) return [];
    const offset = this.unstable.offset;
    if (lo >= offset) return this.unstable.slice(lo, hi, maxBytes);
    const cut = Math.min(hi, offset);
    const stable = unlessCompacted(() => this.#storage.entries(lo, cut, maxBytes));
    if (stable === undefined || hi <= offset || stable.length < cut - lo) return stable;
    const room = maxBytes - entriesSizeBytes(stable);
    if (room <= 0) return stable;
    const rest = this.unstable.slice(offset, hi, room);
    if (entriesSizeBytes(rest) > room) return stable;
    return [...stable, ...rest];
  }

  /**
   * Appends entries received after `prev`, which is not before the commit index, and takes the
   * leader's commit index.
   * @returns the last index that now agrees with the leader, or undefined if the logs differ there
   */
  maybeAppend(prev: EntryId, entries: readonly Entry[], leaderCommit: Index): Index | undefined {
    assert(prev.index >= this.#committed, 'an append starts at the commit index or after it');
    if (!this.matchesTerm(prev.index, prev.term)) return undefined;
    const lastNew = prev.index + entries.length;
    const conflict = entries.find((entry) => !this.matchesTerm(entry.index, entry.term));
    if (conflict !== undefined) {
      // Entries that agree stay: truncating them could drop what this node has acknowledged.
      this.append(entries.slice(conflict.index - prev.index - 1));
    }
    // Beyond the last new entry this log may differ from the leader's (Raft paper, figure 2).
    this.commitTo(Math.min(leaderCommit, lastNew));
    return lastNew;
  }

  /** Appends after the given entries' predecessor, replacing an uncommitted tail. */
  append(entries: readonly Entry[]): Index {
    const first = entries[0];
    if (first !== undefined) {
      assert(first.index > this.#committed, 'a committed entry is never replaced');
      this.unstable.truncateAndAppend(entries);
    }
    return this.lastIndex();
  }

  /**
   * The largest index up to `index` whose term is at most `term`: both leader and follower skip a
   * whole term per probe with it. An unknown term ends the search at that index, as term 0.
   */
  findConflictByTerm(index: Index, term: Term): EntryId {
    for (let at = index; at > 0; at -= 1) {
      const own = this.term(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: Index): void {
    if (index <= this.#committed) return;
    assert(index <= this.lastIndex(), 'only entries in the log are committed');
    this.#committed = index;
  }

  /** Replaces everything by a snapshot that is ahead of the commit index. */
  restore(snapshot: Snapshot): void {
    assert(snapshot.metadata.index > this.#committed, 'a snapshot never undoes a commit');
    this.#committed = snapshot.metadata.index;
    this.unstable.restore(snapshot);
  }

  /** @throws RaftError RAFT_SNAPSHOT_TEMPORARILY_UNAVAILABLE, from storage */
  snapshot(): Snapshot {
    return this.unstable.snapshot ?? this.#storage.snapshot();
  }

  /** Last index that may be applied now; unless `allowUnstable`, only durable entries. */
  #appliableIndex(allowUnstable: boolean): Index {
    if (allowUnstable) return this.#committed;
    return Math.min(this.#committed, this.unstable.offset - 1);
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#applyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.#appliableIndex(allowUnstable) > this.#applying;
  }

  /** Committed entries to hand out next, within the byte budget. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return [];
    const room = this.#applyingBytesMax - this.#applyingBytes;
    assert(room > 0, 'application is paused when its budget is used up');
    const hi = this.#appliableIndex(allowUnstable) + 1;
    const entries = this.slice(this.#applying + 1, hi, room);
    assert(entries !== undefined, 'entries are compacted only after they were applied');
    return entries;
  }

  /** Notes that entries up to `index` have been handed out to be applied. */
  acceptApplying(index: Index, bytes: number, allowUnstable: boolean): void {
    assert(index <= this.#committed, 'only committed entries are applied');
    this.#applying = index;
    this.#applyingBytes += bytes;
    this.#applyingPaused =
      this.#applyingBytes >= this.#applyingBytesMax || index < this.#appliableIndex(allowUnstable);
  }

  /** Notes that entries up to `index`, of so many encoded bytes, have been applied. */
  appliedTo(index: Index, bytes: number): void {
    assert(index <= this.#committed, 'only committed entries are applied');
    assert(index >= this.#applied, 'application never goes back');
    this.#applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#applyingBytesMax;
  }
}

function unlessCompacted<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RaftError && error.code === 'RAFT_COMPACTED') return undefined;
    throw error;
  }
}
