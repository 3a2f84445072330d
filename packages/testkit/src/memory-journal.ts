/**
 * A journal in memory: the smallest thing that passes the compliance suite. What was confirmed
 * stays over crashes of its process; a sync can be made to fail, and may be slow.
 */
import {
  JournalError,
  OWNER_BYTES_MAX,
  RECORD_BYTES_MAX,
  type Journal,
  type JournalOptions,
  type Recovered,
  type RecoveredRecord,
  type RecoveredSnapshot,
  type SnapshotToSave,
} from '@witan/journal';

type Hooks = Pick<JournalOptions, 'onFatal' | 'onSync' | 'backlogBytesMax'>;

/** What would be on a disk. */
interface Durable {
  readonly snapshot: RecoveredSnapshot | undefined;
  readonly records: readonly RecoveredRecord[];
}

/** A disk in memory, over all processes that open it. */
export class MemoryJournalMedium {
  #durable: Durable = { snapshot: undefined, records: [] };
  #holder: MemoryJournal | undefined;
  #exists = false;
  #syncFails = false;

  get exists(): boolean {
    return this.#exists;
  }

  open(hooks: Hooks = {}): { readonly journal: Journal; readonly recovered: Recovered } {
    if (this.#holder !== undefined) {
      throw new JournalError('JOURNAL_LOCKED', 'another process uses the journal');
    }
    const journal = new MemoryJournal(this, hooks);
    this.#holder = journal;
    return { journal, recovered: { ...this.#durable, findings: [] } };
  }

  /** The process is gone, with everything that was not confirmed. */
  crash(): void {
    this.#holder = undefined;
  }

  /** Every sync from now on fails, until the next crash. */
  failSyncs(fails: boolean): void {
    this.#syncFails = fails;
  }

  release(holder: MemoryJournal): void {
    if (this.#holder === holder) this.#holder = undefined;
  }

  /** @returns false when the process that asks is gone */
  sync(holder: MemoryJournal, change: (durable: Durable) => Durable): boolean {
    if (this.#holder !== holder) return false;
    if (this.#syncFails) {
      throw new JournalError('JOURNAL_SYNC_FAILED', 'the disk did not confirm written data');
    }
    this.#exists = true;
    this.#durable = change(this.#durable);
    return true;
  }
}

class MemoryJournal implements Journal {
  readonly #medium: MemoryJournalMedium;
  readonly #hooks: Hooks;
  #owner: Uint8Array | undefined;
  #queue: Promise<void> = Promise.resolve();
  #backlogBytes = 0;
  #failure: JournalError | undefined;
  #closed = false;

  constructor(medium: MemoryJournalMedium, hooks: Hooks) {
    this.#medium = medium;
    this.#hooks = hooks;
  }

  async startSegment(owner: Uint8Array): Promise<void> {
    checkSize('owner', owner.byteLength, 0, OWNER_BYTES_MAX);
    this.#checkUsable();
    this.#owner = Uint8Array.from(owner);
    await this.#sync((durable) => durable);
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    this.#checkUsable();
    const owner = this.#checkStarted();
    for (const { byteLength } of records) checkSize('record', byteLength, 1, RECORD_BYTES_MAX);
    const bytes = records.reduce((sum, record) => sum + record.byteLength, 0);
    const bytesMax = this.#hooks.backlogBytesMax ?? Number.POSITIVE_INFINITY;
    if (this.#backlogBytes + bytes > bytesMax) throw backlogFull();
    this.#backlogBytes += bytes;
    const added = records.map((data) => ({ owner, data: Uint8Array.from(data) }));
    await this.#sync(({ snapshot, records: old }) => ({ snapshot, records: [...old, ...added] }));
    this.#backlogBytes -= bytes;
    if (bytes > 0) this.#hooks.onSync?.({ records: records.length, bytes, durationMs: 0 });
  }

  async saveSnapshot(snapshot: SnapshotToSave): Promise<void> {
    this.#checkUsable();
    const owner = this.#checkStarted();
    const { index, term } = snapshot;
    const data = Uint8Array.from(snapshot.data);
    const tail = snapshot.tail.map((record) => ({ owner, data: Uint8Array.from(record) }));
    await this.#sync(() => ({ snapshot: { index, term, owner, data }, records: tail }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue.catch(() => undefined);
    this.#medium.release(this);
  }

  /** One change behind the other, each in a turn of its own. */
  async #sync(change: (durable: Durable) => Durable): Promise<void> {
    const done = this.#queue.then(async () => {
      await Promise.resolve();
      if (this.#failure !== undefined) throw this.#failure;
      // A dead process learns nothing: its promise never settles.
      if (!this.#medium.sync(this, change)) await new Promise(() => undefined);
    });
    this.#queue = done.catch((error: unknown) => {
      if (this.#failure !== undefined || !(error instanceof JournalError)) return;
      this.#failure = error;
      this.#hooks.onFatal?.(error);
    });
    await done;
  }

  #checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed) throw new JournalError('JOURNAL_CLOSED', 'the journal is closed');
  }

  #checkStarted(): Uint8Array {
    if (this.#owner !== undefined) return this.#owner;
    throw new JournalError('JOURNAL_NOT_STARTED', 'no segment was started in this journal');
  }
}

function checkSize(what: string, found: number, min: number, max: number): void {
  if (found >= min && found <= max) return;
  const message = 'value has a size that the journal does not take';
  throw new JournalError('JOURNAL_VALUE_SIZE', message, { fields: { what, min, max, found } });
}

function backlogFull(): JournalError {
  return new JournalError('JOURNAL_BACKLOG_FULL', 'too much is waiting to be written');
}
