/**
 * The log that Raft reads: all of it in memory, with snapshots made when one is asked for. What is
 * on disk is a copy that nothing here ever reads (I2, I4).
 */
import { assert } from '@witan/core';
import {
  MemoryStorage,
  NO_NODE,
  type ConfState,
  type Entry,
  type HardState,
  type Index,
  type InitialState,
  type Snapshot,
  type Storage,
  type Term,
} from 'raft-ts';
import type { Configuration } from '../engine.ts';
import type { LogMark } from './durable-records.ts';
import { LogChain, NO_HASH, joinLink, splitLink } from './log-chain.ts';

/** Index of the genesis state: above 0, so that the log of every founder starts behind it. */
export const BOOTSTRAP_INDEX = 1;
const BOOTSTRAP_TERM = 1;

/** The state that an epoch begins with. */
export interface Bootstrap {
  readonly configuration: Configuration;
  readonly snapshot: Uint8Array;
  /** Log index that it stands for; that of a founding where absent. */
  readonly index?: number;
}

/** Makes the state machine's snapshot as of the last applied entry. */
export interface SnapshotSource {
  /** Kept in step with the log; absent: one without links. */
  readonly chain?: LogChain | undefined;
  appliedIndex(): Index;
  confState(): ConfState;
  data(): Uint8Array;
}

export class EngineStorage implements Storage {
  readonly #log: MemoryStorage = new MemoryStorage();
  /** The hash chain over the log. */
  readonly chain: LogChain;
  readonly #source: SnapshotSource;
  #cached: Snapshot | undefined;

  constructor(source: SnapshotSource) {
    this.#source = source;
    this.chain = source.chain ?? new LogChain(NO_HASH);
  }

  /** An entry, by default the last one; undefined while the log is blank. */
  mark(index: Index = this.lastIndex()): LogMark | undefined {
    const link = this.chain.at(index);
    return link === undefined ? undefined : { index, term: this.term(index), link };
  }

  /**
   * Puts the state that an epoch begins with, alike on all its first voters, in front of the log.
   * Terms begin anew: messages carry the epoch, so those of two epochs never meet.
   */
  bootstrap({ index = BOOTSTRAP_INDEX, snapshot }: Omit<Bootstrap, 'configuration'>): void {
    const confState = this.#source.confState();
    const metadata = { index, term: BOOTSTRAP_TERM, confState };
    this.applySnapshot({ data: joinLink(snapshot, this.chain.genesis()), metadata });
    this.setHardState({ term: BOOTSTRAP_TERM, vote: NO_NODE, commit: index });
  }

  initialState(): InitialState {
    return this.#log.initialState();
  }

  entries(lo: Index, hi: Index, maxBytes: number): readonly Entry[] {
    return this.#log.entries(lo, hi, maxBytes);
  }

  term(index: Index): Term {
    return this.#log.term(index);
  }

  firstIndex(): Index {
    return this.#log.firstIndex();
  }

  lastIndex(): Index {
    return this.#log.lastIndex();
  }

  /** The state as of the last applied entry, so that it knows every member that can ask for it. */
  snapshot(): Snapshot {
    const index = this.#source.appliedIndex();
    if (this.#cached?.metadata.index !== index) {
      const metadata = { index, term: this.#log.term(index), confState: this.#source.confState() };
      const link = this.chain.at(index);
      assert(link !== undefined, 'what was applied is in the chain');
      this.#cached = { data: joinLink(this.#source.data(), link), metadata };
    }
    return this.#cached;
  }

  append(entries: readonly Entry[]): void {
    this.#log.append(entries);
    this.chain.append(entries);
  }

  setHardState(state: HardState): void {
    this.#log.setHardState(state);
  }

  /** @param snapshot from a leader, with the link behind its data */
  applySnapshot(snapshot: Snapshot): void {
    this.#log.applySnapshot(snapshot);
    this.chain.reset(snapshot.metadata.index, splitLink(snapshot.data).link);
    this.#cached = undefined;
  }

  compact(index: Index): void {
    this.#log.compact(index);
    this.chain.compact(index);
  }
}
