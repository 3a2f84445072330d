/**
 * The journal: sealed records in segments, and snapshots that replace them.
 *
 * It sees opaque bytes and holds no keys (I4). An append is confirmed only after fdatasync; appends
 * that arrive during a sync share the next one. After any failed write or sync of a segment the
 * journal is unusable: every call rejects with the first error, and the process should end and
 * recover from what is on disk. What it reads back is a cache, never evidence of freshness (I4).
 */
import { JournalError } from './errors.ts';
import { createDurably } from './files.ts';
import { RECORD_BYTES_MAX } from './frames.ts';
import type { JournalLock } from './fs.ts';
import { snapshotName } from './names.ts';
import type { Journal, JournalSettings, SnapshotToSave } from './options.ts';
import { dropReplaced, dropTemporary } from './drop.ts';
import type { RecoveredPlace } from './recover.ts';
import { SegmentWriter, batchBytes, type SegmentStart } from './segment-writer.ts';
import { OWNER_BYTES_MAX } from './segment.ts';
import { SNAPSHOT_BYTES_MAX, TAIL_RECORDS_MAX, writeSnapshotParts } from './snapshot.ts';

/** Most bytes that are written before a sync, except for one larger append. */
const BATCH_BYTES_MAX: number = 8 * 1024 * 1024;
/** Most bytes of one append: it stays together in one segment. */
const APPEND_BYTES_MAX: number = 256 * 1024 * 1024;
/** Most snapshots that wait for one another. */
const SNAPSHOTS_PENDING_MAX = 4;

interface Settlers<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

type Task =
  | {
      readonly kind: 'append';
      readonly records: readonly Uint8Array[];
      readonly byteLength: number;
      readonly settlers: Settlers<void>;
    }
  | {
      readonly kind: 'cut';
      /** Undefined keeps the current one. */
      readonly owner: Uint8Array | undefined;
      readonly settlers: Settlers<SegmentStart>;
    }
  | { readonly kind: 'end'; readonly settlers: Settlers<void> };

/** The journal on a JournalFs. */
export class SegmentedJournal implements Journal {
  readonly #settings: JournalSettings;
  readonly #lock: JournalLock;
  /** Where an earlier process stopped; forgotten once this one has started to write. */
  #place: RecoveredPlace | undefined;
  readonly #tasks: Task[] = [];
  #writer: SegmentWriter | undefined;
  #started = false;
  #running = false;
  #backlogBytes = 0;
  #snapshotsPending = 0;
  #lastSnapshot: Promise<void> = Promise.resolve();
  #failure: JournalError | undefined;
  #closing: Promise<void> | undefined;

  constructor(settings: JournalSettings, lock: JournalLock, place: RecoveredPlace) {
    this.#settings = settings;
    this.#lock = lock;
    this.#place = place;
  }

  async startSegment(owner: Uint8Array): Promise<void> {
    checkSize('owner', owner.byteLength, 0, OWNER_BYTES_MAX);
    this.#checkUsable();
    this.#started = true;
    await this.#enqueueCut(Uint8Array.from(owner));
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    this.#checkUsable();
    this.#checkStarted();
    for (const record of records) checkSize('record', record.byteLength, 1, RECORD_BYTES_MAX);
    const byteLength = batchBytes(records);
    checkSize('append', byteLength, 0, APPEND_BYTES_MAX);
    const { backlogBytesMax } = this.#settings;
    if (this.#backlogBytes + byteLength > backlogBytesMax) {
      const fields = { bytesMax: backlogBytesMax, waiting: this.#backlogBytes, found: byteLength };
      const message = 'too much is waiting to be written';
      throw new JournalError('JOURNAL_BACKLOG_FULL', message, { fields });
    }
    this.#backlogBytes += byteLength;
    await new Promise<void>((resolve, reject) => {
      this.#enqueue({ kind: 'append', records, byteLength, settlers: { resolve, reject } });
    });
  }

  async saveSnapshot(snapshot: SnapshotToSave): Promise<void> {
    this.#checkUsable();
    this.#checkStarted();
    checkSize('snapshot', snapshot.data.byteLength, 0, SNAPSHOT_BYTES_MAX);
    checkSize('tail records', snapshot.tail.length, 0, TAIL_RECORDS_MAX);
    for (const record of snapshot.tail) checkSize('record', record.byteLength, 1, RECORD_BYTES_MAX);
    if (this.#snapshotsPending >= SNAPSHOTS_PENDING_MAX) {
      const fields = { snapshotsMax: SNAPSHOTS_PENDING_MAX };
      const message = 'too much is waiting to be written';
      throw new JournalError('JOURNAL_BACKLOG_FULL', message, { fields });
    }
    this.#snapshotsPending += 1;
    // The cut is queued now: what was appended before this call is before it.
    const cut = this.#enqueueCut(undefined);
    const previous = this.#lastSnapshot;
    const saved = cut.then(async (start) => {
      await previous;
      await this.#writeSnapshot(snapshot, start);
    });
    this.#lastSnapshot = saved.catch(() => undefined);
    try {
      await saved;
    } finally {
      this.#snapshotsPending -= 1;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#lastSnapshot;
    try {
      if (this.#failure === undefined && this.#started) {
        await new Promise<void>((resolve, reject) => {
          this.#enqueue({ kind: 'end', settlers: { resolve, reject } });
        });
      }
    } finally {
      await this.#writer?.abandon();
      await this.#lock.release();
    }
  }

  #checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) {
      throw new JournalError('JOURNAL_CLOSED', 'the journal is closed');
    }
  }

  #checkStarted(): void {
    if (!this.#started) {
      throw new JournalError('JOURNAL_NOT_STARTED', 'no segment was started in this journal');
    }
  }

  #enqueueCut(owner: Uint8Array | undefined): Promise<SegmentStart> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind: 'cut', owner, settlers: { resolve, reject } });
    });
  }

  #enqueue(task: Task): void {
    if (this.#failure !== undefined) {
      task.settlers.reject(this.#failure);
      return;
    }
    this.#tasks.push(task);
    if (!this.#running) void this.#run();
  }

  /** The one loop that writes segments. Never rejects. */
  async #run(): Promise<void> {
    this.#running = true;
    for (let batch = this.#nextBatch(); batch.length > 0; batch = this.#nextBatch()) {
      try {
        await this.#perform(batch);
      } catch (error) {
        this.#fail(error, batch);
      }
    }
    this.#running = false;
  }

  /** Takes as many appends from the queue as may share a sync, or else one other task. */
  #nextBatch(): readonly Task[] {
    let byteLength = 0;
    let count = 0;
    for (const task of this.#tasks) {
      if (task.kind !== 'append') break;
      byteLength += task.byteLength;
      if (count > 0 && byteLength > BATCH_BYTES_MAX) break;
      count += 1;
    }
    return this.#tasks.splice(0, Math.max(count, 1));
  }

  async #perform(batch: readonly Task[]): Promise<void> {
    const [first] = batch;
    if (first?.kind === 'cut') {
      first.settlers.resolve(await this.#cut(first.owner, 0));
    } else if (first?.kind === 'end') {
      await this.#writer?.end();
      this.#writer = undefined;
      first.settlers.resolve();
    } else {
      await this.#appendBatch(batch.filter((task) => task.kind === 'append'));
    }
  }

  async #appendBatch(batch: readonly (Task & { readonly kind: 'append' })[]): Promise<void> {
    const records = batch.flatMap((task) => task.records);
    if (records.length > 0) {
      const { now, onSync } = this.#settings;
      const startedMs = now();
      const needed = batchBytes(records);
      if (this.#writer?.fits(records) !== true) await this.#cut(undefined, needed);
      await this.#writer?.append(records);
      onSync({ records: records.length, bytes: needed, durationMs: now() - startedMs });
    }
    for (const task of batch) {
      this.#backlogBytes -= task.byteLength;
      task.settlers.resolve();
    }
  }

  async #cut(owner: Uint8Array | undefined, bytesNeeded: number): Promise<SegmentStart> {
    const old = this.#writer;
    this.#writer =
      old === undefined
        ? await this.#startFirst(owner ?? new Uint8Array(0))
        : await old.cut(owner ?? old.start.owner, bytesNeeded);
    return this.#writer.start;
  }

  async #startFirst(owner: Uint8Array): Promise<SegmentWriter> {
    const { fs, directory } = this.#settings;
    const place = this.#place;
    this.#place = undefined;
    await dropTemporary(fs, directory, place?.names.temporary ?? []);
    if (place?.snapshotFirstSegment !== undefined) {
      await dropReplaced(fs, directory, place.snapshotFirstSegment);
    }
    return SegmentWriter.continue(this.#settings, place?.last, owner);
  }

  #fail(error: unknown, batch: readonly Task[]): void {
    const message = 'the journal failed in an unexpected way';
    const failure =
      error instanceof JournalError
        ? error
        : new JournalError('JOURNAL_WRITE_FAILED', message, { cause: error });
    const first = this.#failure === undefined;
    this.#failure ??= failure;
    for (const task of [...batch, ...this.#tasks.splice(0)]) task.settlers.reject(this.#failure);
    if (first) this.#settings.onFatal(this.#failure);
  }

  async #writeSnapshot(snapshot: SnapshotToSave, start: SegmentStart): Promise<void> {
    const { fs, directory } = this.#settings;
    const header = {
      index: snapshot.index,
      term: snapshot.term,
      owner: start.owner,
      firstSegment: start.sequence,
      chain: start.chain,
    };
    const parts = writeSnapshotParts({ header, tail: snapshot.tail, data: snapshot.data });
    try {
      const name = snapshotName(start.sequence);
      const file = await createDurably(fs, directory, name, parts);
      await file.close();
    } catch (error) {
      // A full disk costs this snapshot; an unconfirmed sync makes the whole disk doubtful.
      if (error instanceof JournalError && error.code === 'JOURNAL_SYNC_FAILED') {
        this.#fail(error, []);
      }
      throw error;
    }
    await dropReplaced(fs, directory, start.sequence);
  }
}

function checkSize(what: string, found: number, min: number, max: number): void {
  if (found < min || found > max) {
    const fields = { what, min, max, found };
    const message = 'value has a size that the journal does not take';
    throw new JournalError('JOURNAL_VALUE_SIZE', message, { fields });
  }
}
