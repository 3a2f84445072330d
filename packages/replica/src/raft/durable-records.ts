/**
 * What the engine writes to a durable log, and how it is read back: by recovery, and by a newcomer
 * that reuses what its slot's earlier incarnation wrote, as far as a leader confirms it. Nothing
 * that is read here gives a right to vote (I2) or says that nothing newer exists (I4).
 *
 * Record: version u8 | mark | hard state | entries, canonical. The mark stands first, so that a
 * writer can label a record without decoding it. Version 1 had no mark.
 */
import { CanonicalError, CanonicalReader, CanonicalWriter, bytesEqual } from '@witan/core';
import {
  RaftError,
  decodeEntry,
  decodeHardState,
  decodeSnapshot,
  encodeEntry,
  encodeHardState,
  type Entry,
  type HardState,
  type Snapshot,
} from 'raft-ts';
import { ReplicaError } from '../errors.ts';
import type { EngineStorage } from './engine-storage.ts';
import { LINK_BYTES, nextLink, splitLink, type HashParts } from './log-chain.ts';

/** Version of the records that this code writes; it reads every earlier one. */
export const DURABLE_RECORD_VERSION = 2;
/** Version, two presence bytes, number of entries. */
const FIXED_BYTES = 7;
const HARD_STATE_BYTES = 26;

/** The log's last entry as of a record. */
export interface LogMark {
  readonly index: number;
  readonly term: number;
  /** The hash chain up to and including that entry; 32 bytes. */
  readonly link: Uint8Array;
}

/** One record. */
export interface DurableRecord {
  /** Absent in version 1. */
  readonly mark: LogMark | undefined;
  /** Absent where it did not change. */
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
}

/** The canonical bytes of a record. */
export function encodeDurableRecord(record: DurableRecord): Uint8Array {
  const entries = record.entries.map(encodeEntry);
  const entriesBytes = entries.reduce((sum, entry) => sum + 4 + entry.byteLength, 0);
  const hardStateBytes = record.hardState === undefined ? 0 : 4 + HARD_STATE_BYTES;
  const markBytes = record.mark === undefined ? 0 : 16 + LINK_BYTES;
  return new CanonicalWriter(FIXED_BYTES + markBytes + hardStateBytes + entriesBytes)
    .u8(DURABLE_RECORD_VERSION)
    .optional(record.mark, (writer, mark) => writer.u64(mark.index).u64(mark.term).fixed(mark.link))
    .optional(record.hardState, (writer, state) => writer.bytes(encodeHardState(state)))
    .list(entries, (writer, entry) => writer.bytes(entry))
    .finish();
}

/** Reads a record of any version. @throws ReplicaError REPLICA_RECORDS_UNREADABLE */
export function decodeDurableRecord(bytes: Uint8Array): DurableRecord {
  return reading('record', () => {
    const reader = new CanonicalReader(bytes);
    const mark = readMark(reader);
    const max = bytes.byteLength;
    const hardState = reader.optional((from) => decodeHardState(from.bytes(max), max));
    const entries = reader.list(max, (from) => decodeEntry(from.bytes(max), max));
    reader.end();
    return { mark, hardState, entries };
  });
}

/** Only the mark of a record. @throws ReplicaError REPLICA_RECORDS_UNREADABLE */
export function markOfDurableRecord(bytes: Uint8Array): LogMark | undefined {
  return reading('record', () => readMark(new CanonicalReader(bytes)));
}

/** A log as a durable log held it. */
export interface DurableState {
  /** Without the link behind its data; that is `snapshotLink`. */
  readonly snapshot: Snapshot | undefined;
  /** The hash chain as of the snapshot's index. */
  readonly snapshotLink: Uint8Array | undefined;
  readonly hardState: HardState | undefined;
  /** Those behind the snapshot, without a gap. */
  readonly entries: readonly Entry[];
  /** The last entry, or what the snapshot ends with; undefined when there is neither. */
  readonly mark: LogMark | undefined;
}

/**
 * Puts together what was read back: later entries replace earlier ones at and behind their index.
 *
 * @param snapshot as it was given to `DurableLog.saveSnapshot`
 * @param records in the order in which they were appended
 * @param hash makes the chain again, and each mark is compared with it
 * @throws ReplicaError REPLICA_RECORDS_UNREADABLE for a gap, or a chain that does not fit
 */
export function replayDurableLog(
  snapshot: Uint8Array | undefined,
  records: readonly Uint8Array[],
  hash: HashParts,
): DurableState {
  const start = snapshot === undefined ? undefined : readSnapshot(snapshot);
  const base = start?.snapshot.metadata.index;
  const replay = new Replay(hash, base, start?.link);
  for (const bytes of records) replay.take(decodeDurableRecord(bytes));
  const last = replay.entries.at(-1) ?? start?.snapshot.metadata;
  const link = replay.link;
  return {
    snapshot: start?.snapshot,
    snapshotLink: start?.link,
    hardState: replay.hardState,
    entries: replay.entries,
    mark: last === undefined || link === undefined ? undefined : { ...markOf(last), link },
  };
}

/** The log of an engine as it is in memory. @param storage one that starts behind a snapshot */
export function durableStateOf(
  storage: Pick<EngineStorage, 'snapshot' | 'initialState' | 'entries' | 'lastIndex' | 'mark'>,
): DurableState {
  const { data, metadata } = storage.snapshot();
  const parts = splitLink(data);
  const next = storage.lastIndex() + 1;
  const first = metadata.index + 1;
  return {
    snapshot: { data: parts.data, metadata },
    snapshotLink: parts.link,
    hardState: storage.initialState().hardState,
    entries: first < next ? storage.entries(first, next, Infinity) : [],
    mark: storage.mark(),
  };
}

function markOf(last: { readonly index: number; readonly term: number }): Omit<LogMark, 'link'> {
  return { index: last.index, term: last.term };
}

class Replay {
  readonly entries: Entry[] = [];
  hardState: HardState | undefined;
  readonly #hash: HashParts;
  /** Link behind each entry, and before the first. */
  readonly #links: (Uint8Array | undefined)[];
  #base: number | undefined;

  constructor(hash: HashParts, base: number | undefined, link: Uint8Array | undefined) {
    this.#hash = hash;
    this.#base = base;
    this.#links = [link];
  }

  get link(): Uint8Array | undefined {
    return this.#links.at(-1);
  }

  take(record: DurableRecord): void {
    this.hardState = record.hardState ?? this.hardState;
    for (const entry of record.entries) this.#takeEntry(entry);
    const { mark } = record;
    if (mark === undefined || this.#base === undefined || mark.index < this.#base) return;
    const last = this.#base + this.entries.length;
    if (mark.index !== last) throw unreadable('mark', { expected: last, found: mark.index });
    // A log that starts without a snapshot takes its first link from the first mark.
    const own = this.#links[this.entries.length];
    if (own === undefined) this.#links[this.entries.length] = mark.link;
    else if (!bytesEqual(own, mark.link)) throw unreadable('chain', { index: mark.index });
  }

  #takeEntry(entry: Entry): void {
    this.#base ??= entry.index - 1;
    const at = entry.index - this.#base - 1;
    if (at < 0) return;
    if (at > this.entries.length) {
      throw unreadable('gap', {
        expected: this.#base + this.entries.length + 1,
        ...entryOf(entry),
      });
    }
    this.entries.length = at;
    this.#links.length = at + 1;
    const previous = this.#links[at];
    this.entries.push(entry);
    this.#links.push(previous === undefined ? undefined : nextLink(this.#hash, previous, entry));
  }
}

function entryOf(entry: Entry): { readonly found: number } {
  return { found: entry.index };
}

function readSnapshot(bytes: Uint8Array): {
  readonly snapshot: Snapshot;
  readonly link: Uint8Array;
} {
  return reading('snapshot', () => {
    const { data, metadata } = decodeSnapshot(bytes, bytes.byteLength);
    const parts = splitLink(data);
    return { snapshot: { data: parts.data, metadata }, link: parts.link };
  });
}

function readMark(reader: CanonicalReader): LogMark | undefined {
  const version = reader.u8();
  if (version < 1 || version > DURABLE_RECORD_VERSION) {
    throw unreadable('version', { expected: DURABLE_RECORD_VERSION, found: version });
  }
  if (version === 1) return undefined;
  return reader.optional((from) => ({
    index: from.u64(),
    term: from.u64(),
    link: from.fixed(LINK_BYTES),
  }));
}

function reading<Value>(what: string, read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CanonicalError) && !(cause instanceof RaftError)) throw cause;
    throw unreadable(what, {}, cause);
  }
}

function unreadable(
  check: string,
  fields: Readonly<Record<string, number>>,
  cause?: unknown,
): ReplicaError {
  const message = 'a durable log does not hold what an engine writes';
  return new ReplicaError('REPLICA_RECORDS_UNREADABLE', message, {
    fields: { check, ...fields },
    ...(cause === undefined ? {} : { cause }),
  });
}
