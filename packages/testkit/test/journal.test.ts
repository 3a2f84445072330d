import { afterAll, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  journalExists,
  nodeJournalFs,
  openJournal,
  type JournalFile,
  type JournalFs,
  type JournalLock,
} from '@witan/journal';
import { CrashFs } from '@witan/journal/testing';
import {
  JOURNAL_DEMANDS,
  MemoryJournalMedium,
  journalCompliance,
  seededRandom,
  type JournalHooks,
  type JournalMedium,
} from '@witan/testkit';

const SEGMENT_BYTES = 4096;
const scratch = mkdtempSync(join(tmpdir(), 'witan-compliance-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** A file system whose process can be ended: from then on nothing is done and nothing settles. */
class Killable {
  failsSyncs = false;
  #dead = false;
  readonly #files = new Set<JournalFile>();
  readonly #locks = new Set<JournalLock>();
  readonly #underWay = new Set<Promise<unknown>>();

  async kill(): Promise<void> {
    this.#dead = true;
    await Promise.allSettled(this.#underWay);
    // What the kernel does for a process that ended.
    await Promise.all([...this.#files].map((file) => file.close().catch(() => undefined)));
    this.#files.clear();
    for (const lock of this.#locks) await lock.release();
  }

  wrap(fs: JournalFs): JournalFs {
    const run = <Value>(work: () => Promise<Value>): Promise<Value> => this.#run(work);
    const file = (inner: JournalFile): JournalFile => {
      this.#files.add(inner);
      return {
        write: (bytes, offset) => run(() => inner.write(bytes, offset)),
        truncate: (byteLength) => run(() => inner.truncate(byteLength)),
        sync: () => run(() => this.#sync(inner)),
        close: async () => {
          if (this.#files.delete(inner)) await inner.close();
        },
      };
    };
    return {
      makeDirectory: (path) => run(() => fs.makeDirectory(path)),
      list: (directory) => run(() => fs.list(directory)),
      create: (path) => run(async () => file(await fs.create(path))),
      open: (path) => run(async () => file(await fs.open(path))),
      read: (path, bytesMax) => run(() => fs.read(path, bytesMax)),
      rename: (from, to) => run(() => fs.rename(from, to)),
      remove: (path) => run(() => fs.remove(path)),
      syncDirectory: (path) => run(() => fs.syncDirectory(path)),
      lock: (directory) => this.#lock(fs, directory),
    };
  }

  async #lock(fs: JournalFs, directory: string): Promise<JournalLock | undefined> {
    const lock = await fs.lock(directory);
    if (lock === undefined) return undefined;
    this.#locks.add(lock);
    const release = async (): Promise<void> => {
      if (this.#locks.delete(lock)) await lock.release();
    };
    return { release };
  }

  async #sync(file: JournalFile): Promise<void> {
    if (this.failsSyncs) throw Object.assign(new Error('injected'), { code: 'EIO' });
    await file.sync();
  }

  #run<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#dead) return new Promise(() => undefined);
    const done = work();
    this.#underWay.add(done);
    const settled = (): unknown => this.#underWay.delete(done);
    done.then(settled, settled);
    return done.then((value) => (this.#dead ? new Promise(() => undefined) : value));
  }
}

/** The real journal over processes that come and go on one disk. */
function journalMedium(
  directory: string,
  disk: { readonly fs: () => JournalFs; readonly crashed: () => Promise<void> },
): JournalMedium {
  let process = new Killable();
  return {
    open: (hooks: JournalHooks = {}) =>
      openJournal({
        directory,
        segmentBytesMax: SEGMENT_BYTES,
        fs: process.wrap(disk.fs()),
        ...hooks,
      }),
    exists: () => journalExists(directory, disk.fs()),
    crash: async () => {
      await process.kill();
      await disk.crashed();
      process = new Killable();
    },
    failSyncs: () => {
      process.failsSyncs = true;
    },
  };
}

let counter = 0;

/** Whatever reached the kernel is still there: only the process dies. */
function onRealDisk(): JournalMedium {
  counter += 1;
  const directory = join(scratch, String(counter));
  return journalMedium(directory, {
    fs: () => nodeJournalFs,
    crashed: () => Promise.resolve(),
  });
}

/** The power goes as well: of what was not synced, a coin decides. */
function onLossyDisk(): JournalMedium {
  counter += 1;
  const random = seededRandom(counter);
  let fs = new CrashFs();
  return journalMedium('/data/journal', {
    fs: () => fs,
    crashed: () => {
      fs = new CrashFs(fs.imageAfterCrash(() => (random.bytes(1)[0] ?? 0) % 2 === 0));
      return Promise.resolve();
    },
  });
}

function inMemory(): JournalMedium {
  const medium = new MemoryJournalMedium();
  return {
    open: (hooks) =>
      new Promise((resolve) => {
        resolve(medium.open(hooks));
      }),
    exists: () => Promise.resolve(medium.exists),
    crash: () => {
      medium.crash();
      medium.failSyncs(false);
      return Promise.resolve();
    },
    failSyncs: () => {
      medium.failSyncs(true);
    },
  };
}

it('the suite has at least 37 demands', () => {
  expect(JOURNAL_DEMANDS).toBeGreaterThanOrEqual(37);
});

describe('the journal on a real disk', () => {
  journalCompliance(onRealDisk);
});

describe('the journal on a disk that loses what was not synced', () => {
  journalCompliance(onLossyDisk);
});

describe('the journal in memory', () => {
  journalCompliance(inMemory);
});
