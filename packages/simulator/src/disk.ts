/**
 * A slot's disk: the real journal on a file system in memory that loses what was not synced, tears
 * writes, fails and fills up on demand. Keeps old images, to be shown again after a restart.
 */
import { openJournal, type Journal, type JournalFile, type JournalFs } from '@witan/journal';
import { decodeDurableRecord, type DurableLog } from '@witan/replica';
import { decodeSnapshot, type Entry, type HardState } from 'raft-ts';
import { CrashFs, type DiskImage } from '@witan/journal/testing';
import type { DiskFate } from './faults.ts';
import type { SimRandom } from './random.ts';

const SEGMENT_BYTES = 16 * 1024;
const IMAGES_MAX = 8;

export type DiskTrouble = 'none' | 'sync' | 'write' | 'full' | 'slow' | 'misdirect';

/** What a process needs of its surroundings for every operation on the disk. */
export interface DiskHost {
  /**
   * One operation under way. Rejects, or never settles, as the surroundings decide.
   *
   * @param what `sync` takes time, `write` may fail
   */
  operate<Value>(what: 'sync' | 'write' | 'other', run: () => Promise<Value>): Promise<Value>;
  /**
   * Where the disk puts a write that it confirms.
   *
   * @param files how many files were opened so far
   * @returns the number of a file and how many bytes too far, or undefined for where it belongs
   */
  misdirected(files: number): { readonly file: number; readonly byBytes: number } | undefined;
}

/** The disk of one slot over all its processes. */
export class Disk {
  image: DiskImage = new Map();
  readonly images: DiskImage[] = [];

  keepImage(image: DiskImage): void {
    this.images.push(image);
    if (this.images.length > IMAGES_MAX) this.images.splice(1, 1);
  }
}

/** What the next process of the slot finds where the last one left `image`. */
export function fated(disk: Disk, image: DiskImage, fate: DiskFate, random: SimRandom): DiskImage {
  switch (fate) {
    case 'kept':
      return image;
    case 'rolled-back':
      return disk.images[random.int(disk.images.length)] ?? image;
    case 'wiped':
      return new Map();
    case 'flipped': {
      const flipped = new Map([...image].map(([path, bytes]) => [path, Uint8Array.from(bytes)]));
      const bytes = random.pick([...flipped.values()]);
      const at = random.int(bytes?.byteLength ?? 1);
      if (bytes !== undefined) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8));
      return flipped;
    }
    default:
      return fate satisfies never;
  }
}

/** Runs every operation of a file system through the host. */
export function hostedFs(fs: CrashFs, host: DiskHost): JournalFs {
  const files: JournalFile[] = [];
  const write = (inner: JournalFile, bytes: Uint8Array, offset: number): Promise<void> => {
    const elsewhere = host.misdirected(files.length);
    if (elsewhere === undefined) return inner.write(bytes, offset);
    const { file: number, byBytes } = elsewhere;
    return (files[number] ?? inner).write(bytes, Math.max(0, offset + byBytes));
  };
  const hosted = (inner: JournalFile): JournalFile => ({
    write: (bytes, offset) => host.operate('write', () => write(inner, bytes, offset)),
    truncate: (byteLength) => host.operate('write', () => inner.truncate(byteLength)),
    sync: () => host.operate('sync', () => inner.sync()),
    close: () => inner.close(),
  });
  const file = (inner: JournalFile): JournalFile => {
    files.push(inner);
    return hosted(inner);
  };
  return {
    makeDirectory: (path) => fs.makeDirectory(path),
    list: (path) => fs.list(path),
    create: async (path) => file(await host.operate('write', () => fs.create(path))),
    open: async (path) => file(await fs.open(path)),
    read: (path, bytesMax) => fs.read(path, bytesMax),
    rename: (from, to) => host.operate('write', () => fs.rename(from, to)),
    remove: (path) => host.operate('other', () => fs.remove(path)),
    syncDirectory: (path) => host.operate('sync', () => fs.syncDirectory(path)),
    lock: (directory) => fs.lock(directory),
  };
}

/** What was confirmed as durable: where a snapshot ends, and the terms of the entries behind it. */
export class DurableView {
  isOpen = false;
  snapshotIndex = 0;
  readonly terms: Map<number, number> = new Map();
  lastIndex = 0;
  hardState: HardState | undefined;
  /** Everything since the last snapshot, as it was written. */
  readonly entries: Map<number, Entry> = new Map();

  holds(index: number, term: number): boolean {
    return index <= this.snapshotIndex || this.terms.get(index) === term;
  }

  take(record: Uint8Array): void {
    const { hardState, entries } = decodeDurableRecord(record);
    if (hardState !== undefined) this.hardState = hardState;
    for (const entry of entries) {
      for (let index = entry.index + 1; index <= this.lastIndex; index += 1) this.#drop(index);
      this.terms.set(entry.index, entry.term);
      this.entries.set(entry.index, entry);
      this.lastIndex = entry.index;
    }
  }

  #drop(index: number): void {
    this.terms.delete(index);
    this.entries.delete(index);
  }
}

/** The real journal behind the driver's port; nothing is sealed. */
export class SimDurableLog implements DurableLog {
  readonly directory: string;
  readonly #fs: JournalFs;
  readonly #view: DurableView;
  #journal: Promise<Journal> | undefined;

  constructor(directory: string, fs: JournalFs, view: DurableView) {
    this.directory = directory;
    this.#fs = fs;
    this.#view = view;
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    const journal = await this.#open();
    await journal.append(records);
    // Only now: until the first record is there, what was acknowledged is in memory alone.
    this.#view.isOpen = true;
    for (const record of records) this.#view.take(record);
  }

  async saveSnapshot(
    label: { readonly index: number; readonly term: number },
    snapshot: Uint8Array,
    tail: readonly Uint8Array[],
  ): Promise<void> {
    const journal = await this.#open();
    await journal.saveSnapshot({ ...label, data: snapshot, tail });
    this.#view.isOpen = true;
    this.#view.snapshotIndex = Math.max(this.#view.snapshotIndex, label.index);
    for (const record of tail) this.#view.take(record);
  }

  #open(): Promise<Journal> {
    this.#journal ??= this.#start();
    return this.#journal;
  }

  async #start(): Promise<Journal> {
    const { journal } = await openLog(this.directory, this.#fs);
    await journal.startSegment(new Uint8Array([1]));
    return journal;
  }
}

function openLog(directory: string, fs: JournalFs): ReturnType<typeof openJournal> {
  return openJournal({ directory, fs, segmentBytesMax: SEGMENT_BYTES, now: () => 0 });
}

/**
 * Reads a dead process's journal.
 *
 * @returns what stands on it, or undefined when it says that it is damaged
 */
export async function readBack(
  directory: string,
  image: DiskImage,
): Promise<DurableView | undefined> {
  const view = new DurableView();
  try {
    const { recovered } = await openLog(directory, new CrashFs(image));
    if (recovered.snapshot !== undefined) {
      const { data } = recovered.snapshot;
      view.snapshotIndex = decodeSnapshot(data, data.byteLength).metadata.index;
    }
    for (const { data } of recovered.records) view.take(data);
    return view;
  } catch {
    return undefined;
  }
}
