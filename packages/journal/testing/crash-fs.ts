/**
 * A JournalFs in memory that can crash at every step and fail on demand.
 *
 * What was not synced is lost or kept at a crash, each sector of 512 bytes and each change of a
 * directory by its own toss of a seeded coin. That is harsher than any real file system, and allows
 * everything that fs.ts says a disk may do.
 */
import type { JournalFile, JournalFs, JournalLock } from '../src/fs.ts';

const SECTOR_BYTES = 512;

/** What to do at one step; steps count from 0 over all changing operations. */
export type Fault =
  | { readonly kind: 'crash'; readonly step: number }
  | { readonly kind: 'fail'; readonly step: number; readonly systemCode: string };

export interface CrashFsOptions {
  readonly fault?: Fault;
  /** Bytes that fit on the disk; default no limit. */
  readonly capacityBytes?: number;
  /**
   * Called in the middle of every step, so that one run shows the disk of a crash at each of them.
   *
   * @param imageIfCrashed as `imageAfterCrash`, and only valid during the call
   */
  readonly onStep?: (step: number, imageIfCrashed: (coin: () => boolean) => DiskImage) => void;
}

/** The process is gone: every operation after a crash rejects with this. */
export class SimulatedCrash extends Error {
  override readonly name: string = 'SimulatedCrash';
}

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly byteLength: number };

interface Inode {
  /** As a reader in this process sees it. */
  contents: Uint8Array;
  /** As it would be after a crash that keeps nothing unsynced. */
  durable: Uint8Array;
  changes: Change[];
}

type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'move'; readonly from: string; readonly to: string; readonly inode: Inode };

/** Names of files after a crash, with their contents. */
export type DiskImage = ReadonlyMap<string, Uint8Array>;

export class CrashFs implements JournalFs {
  readonly #options: CrashFsOptions;
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  readonly #directories = new Set<string>();
  readonly #locks = new Set<string>();
  #nameChanges: NameChange[] = [];
  #step = 0;
  #crashed = false;

  constructor(image: DiskImage = new Map(), options: CrashFsOptions = {}) {
    this.#options = options;
    for (const [path, bytes] of image) {
      const copy = Uint8Array.from(bytes);
      const inode: Inode = { contents: copy, durable: copy, changes: [] };
      this.#names.set(path, inode);
      this.#durableNames.set(path, inode);
      this.#directories.add(directoryOf(path));
    }
  }

  /** Changing operations so far. */
  get steps(): number {
    return this.#step;
  }

  get hasCrashed(): boolean {
    return this.#crashed;
  }

  /** The disk as this process sees it. */
  image(): DiskImage {
    return new Map([...this.#names].map(([path, inode]) => [path, inode.contents]));
  }

  /**
   * The disk after the power went: keeps what was synced, and of the rest what `coin` says.
   *
   * @param coin true keeps; called once for each sector and each change of a directory
   */
  imageAfterCrash(coin: () => boolean): DiskImage {
    const names = new Map(this.#durableNames);
    for (const change of this.#nameChanges) if (coin()) applyNameChange(names, change);
    const image = new Map<string, Uint8Array>();
    for (const [path, inode] of names) image.set(path, survivingContents(inode, coin));
    return image;
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#turn();
    this.#directories.add(path);
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#turn();
    if (!this.#directories.has(directory)) throw systemError('ENOENT');
    const entries = [...this.#names.keys()].filter((path) => directoryOf(path) === directory);
    return entries.map((path) => path.slice(directory.length + 1));
  }

  async create(path: string): Promise<JournalFile> {
    await this.#stepOrFault();
    const inode: Inode = { contents: new Uint8Array(0), durable: new Uint8Array(0), changes: [] };
    this.#names.set(path, inode);
    this.#nameChanges.push({ kind: 'link', path, inode });
    return this.#fileOf(inode);
  }

  async open(path: string): Promise<JournalFile> {
    await this.#turn();
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return this.#fileOf(inode);
  }

  async read(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    await this.#turn();
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return inode.contents.byteLength <= bytesMax ? Uint8Array.from(inode.contents) : undefined;
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#stepOrFault();
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError('ENOENT');
    const change: NameChange = { kind: 'move', from, to, inode };
    applyNameChange(this.#names, change);
    this.#nameChanges.push(change);
  }

  async remove(path: string): Promise<void> {
    await this.#stepOrFault();
    if (!this.#names.delete(path)) return;
    this.#nameChanges.push({ kind: 'unlink', path });
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#stepOrFault();
    const here = (change: NameChange): boolean =>
      directoryOf(change.kind === 'move' ? change.to : change.path) === path;
    for (const change of this.#nameChanges) {
      if (here(change)) applyNameChange(this.#durableNames, change);
    }
    this.#nameChanges = this.#nameChanges.filter((change) => !here(change));
  }

  async lock(directory: string): Promise<JournalLock | undefined> {
    await this.#turn();
    if (this.#locks.has(directory)) return undefined;
    this.#locks.add(directory);
    return {
      release: async (): Promise<void> => {
        await Promise.resolve();
        this.#locks.delete(directory);
      },
    };
  }

  #fileOf(inode: Inode): JournalFile {
    return {
      write: async (bytes: Uint8Array, offset: number): Promise<void> => {
        const change: Change = { kind: 'write', offset, bytes: Uint8Array.from(bytes) };
        await this.#stepOrFault({ inode, change });
        this.#checkCapacity(inode, offset + bytes.byteLength);
        inode.contents = applyChange(inode.contents, change);
        inode.changes.push(change);
      },
      truncate: async (byteLength: number): Promise<void> => {
        const change: Change = { kind: 'truncate', byteLength };
        await this.#stepOrFault({ inode, change });
        inode.contents = applyChange(inode.contents, change);
        inode.changes.push(change);
      },
      sync: async (): Promise<void> => {
        await this.#stepOrFault();
        inode.durable = inode.contents;
        inode.changes = [];
      },
      close: (): Promise<void> => this.#turn(),
    };
  }

  #checkCapacity(inode: Inode, end: number): void {
    const capacityBytes = this.#options.capacityBytes ?? Number.POSITIVE_INFINITY;
    let used = Math.max(0, end - inode.contents.byteLength);
    for (const other of this.#names.values()) used += other.contents.byteLength;
    if (used > capacityBytes) throw systemError('ENOSPC');
  }

  /** @param begun what a crash now leaves half done: part of it may have reached the disk */
  async #stepOrFault(begun?: { readonly inode: Inode; readonly change: Change }): Promise<void> {
    await this.#turn();
    const { fault, onStep } = this.#options;
    const step = this.#step;
    this.#step += 1;
    if (onStep !== undefined) {
      begun?.inode.changes.push(begun.change);
      onStep(step, (coin) => this.imageAfterCrash(coin));
      begun?.inode.changes.pop();
    }
    if (fault?.step !== step) return;
    if (fault.kind === 'fail') throw systemError(fault.systemCode);
    begun?.inode.changes.push(begun.change);
    this.#crashed = true;
    throw new SimulatedCrash();
  }

  /** Gives other tasks a turn, as real input and output would. */
  async #turn(): Promise<void> {
    await Promise.resolve();
    if (this.#crashed) throw new SimulatedCrash();
  }
}

function survivingContents(inode: Inode, coin: () => boolean): Uint8Array {
  let contents = inode.durable;
  for (const change of inode.changes) {
    if (change.kind === 'truncate') {
      if (coin()) contents = applyChange(contents, change);
      continue;
    }
    for (const part of sectorsOf(change)) if (coin()) contents = applyChange(contents, part);
  }
  return contents;
}

function sectorsOf(change: Change & { readonly kind: 'write' }): readonly Change[] {
  const parts: Change[] = [];
  const end = change.offset + change.bytes.byteLength;
  for (let at = change.offset; at < end;) {
    const next = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    const bytes = change.bytes.subarray(at - change.offset, next - change.offset);
    parts.push({ kind: 'write', offset: at, bytes });
    at = next;
  }
  return parts;
}

function applyChange(contents: Uint8Array, change: Change): Uint8Array {
  if (change.kind === 'truncate') {
    const truncated = new Uint8Array(change.byteLength);
    truncated.set(contents.subarray(0, change.byteLength));
    return truncated;
  }
  const end = change.offset + change.bytes.byteLength;
  const written = new Uint8Array(Math.max(contents.byteLength, end));
  written.set(contents);
  written.set(change.bytes, change.offset);
  return written;
}

function applyNameChange(names: Map<string, Inode>, change: NameChange): void {
  switch (change.kind) {
    case 'link':
      names.set(change.path, change.inode);
      break;
    case 'unlink':
      names.delete(change.path);
      break;
    case 'move':
      names.delete(change.from);
      names.set(change.to, change.inode);
      break;
  }
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function systemError(systemCode: string): Error {
  return Object.assign(new Error(`simulated ${systemCode}`), { code: systemCode });
}
