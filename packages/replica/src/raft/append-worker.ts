/**
 * Raft's append thread: makes entries and hard state durable, one batch at a time, while the loop
 * goes on. Whatever arrives during a sync shares the next one (group commit).
 *
 * Before the first command that makes the cluster worth keeping, nothing is written at all: a
 * cluster without a manifest leaves no trace on disk. That command then comes with a snapshot of
 * what was applied before it and the whole log behind that, so that every disk stands for itself.
 * What is written is never read back by this process (I2).
 *
 * A commit index alone is not worth a sync: nothing depends on its durability (Raft paper, figure
 * 2, does not keep it at all). It goes with the next record that has to be written.
 */
import {
  NO_NODE,
  isEmptyHardState,
  encodeSnapshot,
  type Entry,
  type HardState,
  type Message,
  type Snapshot,
} from 'raft-ts';
import type { DurableLog } from '../ports.ts';
import { encodeDurableRecord } from './durable-records.ts';
import { decodeEnvelope } from './envelope.ts';
import type { EngineStorage } from './engine-storage.ts';
import { splitLink } from './log-chain.ts';

/** Entries behind a snapshot go into records of about this size; a journal's limit is far above. */
const TAIL_RECORD_BYTES: number = 8 * 1024 * 1024;

export interface AppendWorkerOptions {
  readonly storage: EngineStorage;
  readonly durable: DurableLog;
  /**
   * Where the log starts with something worth keeping: makes a snapshot of it. That is written
   * before anything else is, and so before anything is acknowledged (I3).
   */
  readonly start?: (() => Promise<Snapshot>) | undefined;
  /** Whether a snapshot's state holds a manifest. */
  readonly snapshotOpensJournal: (snapshot: Snapshot) => boolean;
  /** Replaces the state by a snapshot that came from the leader. */
  readonly restore: (snapshot: Snapshot) => void;
  /** Delivers what was waiting for durability. */
  readonly deliver: (responses: readonly Message[]) => void;
  /** A write failed. Retrying would be wrong: the pages may be marked clean (fsync, ATC'20). */
  readonly fatal: (error: unknown) => void;
}

/** A message for the append thread, or a snapshot of our own for the journal. */
type Job =
  | { readonly kind: 'append'; readonly message: Message }
  | { readonly kind: 'start'; readonly make: () => Promise<Snapshot> }
  | { readonly kind: 'shorten'; readonly snapshot: Snapshot };

export class AppendWorker {
  readonly #options: AppendWorkerOptions;
  #queue: Job[] = [];
  #running = false;
  #open = false;
  #stopped = false;
  /** The newest hard state, where no record holds it yet. */
  #unwritten: HardState | undefined;
  /** Term and vote as of the last record. */
  #promised: Pick<HardState, 'term' | 'vote'> = { term: 0, vote: NO_NODE };

  constructor(options: AppendWorkerOptions) {
    this.#options = { ...options, start: undefined };
    if (options.start === undefined) return;
    this.#open = true;
    this.#push({ kind: 'start', make: options.start });
  }

  /** Whether the journal has been opened by a command worth keeping. */
  get journalOpen(): boolean {
    return this.#open;
  }

  /** Opens the journal at once, with the state that the log starts behind. */
  openWith(snapshot: Snapshot): void {
    this.#open = true;
    this.#push({ kind: 'shorten', snapshot });
  }

  enqueue(message: Message): void {
    this.#push({ kind: 'append', message });
  }

  /** Saves a snapshot of the applied state, so that older records can go. */
  shorten(snapshot: Snapshot): void {
    if (this.#open) this.#push({ kind: 'shorten', snapshot });
  }

  stop(): void {
    this.#stopped = true;
    this.#queue = [];
  }

  #push(job: Job): void {
    if (this.#stopped) return;
    this.#queue.push(job);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#queue.length > 0 && !this.#stopped) {
        const batch = this.#queue;
        this.#queue = [];
        await this.#write(batch);
        if (this.#stopped) return;
        for (const job of batch) {
          if (job.kind === 'append') this.#options.deliver(job.message.responses);
        }
      }
    } catch (error) {
      if (this.#stopped) return;
      this.#stopped = true;
      this.#options.fatal(error);
    } finally {
      this.#running = false;
    }
  }

  async #write(batch: readonly Job[]): Promise<void> {
    const records: Uint8Array[] = [];
    for (const job of batch) {
      const snapshot = await snapshotOf(job);
      if (snapshot !== undefined && snapshot.metadata.index > 0) {
        await this.#flush(records);
        await this.#takeSnapshot(snapshot, job.kind === 'append');
      }
      if (job.kind !== 'append') continue;
      const opens = this.#take(job.message, records);
      if (opens) await this.#takeSnapshot(this.#options.storage.snapshot(), false);
    }
    await this.#flush(records);
  }

  /** @returns whether the journal opens with it; nothing of it is in `records` then */
  #take(message: Message, records: Uint8Array[]): boolean {
    const { storage } = this.#options;
    const state = { term: message.term, vote: message.vote, commit: message.commit };
    if (!isEmptyHardState(state)) {
      storage.setHardState(state);
      this.#unwritten = state;
    }
    const opens = !this.#open && message.entries.some(opensJournal);
    storage.append(message.entries);
    if (opens) this.#open = true;
    else if (this.#open && (message.entries.length > 0 || this.#promises())) {
      records.push(this.#record(message.entries));
    }
    return opens;
  }

  /** Whether a term or vote is not on disk yet. */
  #promises(): boolean {
    const { term, vote } = this.#unwritten ?? this.#promised;
    return term !== this.#promised.term || vote !== this.#promised.vote;
  }

  /** @param entries in the storage by now; none: what is recorded stands for the whole log */
  #record(entries: readonly Entry[]): Uint8Array {
    const state = this.#unwritten;
    this.#unwritten = undefined;
    this.#promised = state ?? this.#promised;
    const mark = this.#options.storage.mark(entries.at(-1)?.index);
    return encodeDurableRecord({ mark, hardState: state, entries });
  }

  /** Everything behind an index, in records of a bounded size; at least one. */
  #recordsBehind(index: number): readonly Uint8Array[] {
    const { storage } = this.#options;
    const end = storage.lastIndex() + 1;
    const records: Uint8Array[] = [];
    let next = Math.max(index + 1, storage.firstIndex());
    while (next < end) {
      const entries = storage.entries(next, end, TAIL_RECORD_BYTES);
      records.push(this.#record(entries));
      next += entries.length;
    }
    return records.length > 0 ? records : [this.#record([])];
  }

  async #takeSnapshot(snapshot: Snapshot, fromLeader: boolean): Promise<void> {
    const { storage, durable, snapshotOpensJournal, restore } = this.#options;
    if (fromLeader) {
      storage.applySnapshot(snapshot);
      restore({ ...snapshot, data: splitLink(snapshot.data).data });
      if (!this.#open && snapshotOpensJournal(snapshot)) this.#open = true;
    }
    if (!this.#open) return;
    // Entries behind the snapshot are written again, because the records that held them may go.
    this.#unwritten = storage.initialState().hardState;
    const tail = this.#recordsBehind(snapshot.metadata.index);
    await durable.saveSnapshot(snapshot.metadata, encodeSnapshot(snapshot), tail);
  }

  async #flush(records: Uint8Array[]): Promise<void> {
    if (records.length === 0) return;
    const batch = records.splice(0);
    await this.#options.durable.append(batch);
  }
}

function snapshotOf(job: Job): Snapshot | undefined | Promise<Snapshot> {
  if (job.kind === 'append') return job.message.snapshot;
  return job.kind === 'start' ? job.make() : job.snapshot;
}

function opensJournal(entry: Entry): boolean {
  return entry.type === 'EntryNormal' && decodeEnvelope(entry.data)?.opensJournal === true;
}
