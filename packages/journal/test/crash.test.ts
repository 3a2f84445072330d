import { describe, expect, it } from 'vitest';
import type { JournalFs } from '@witan/journal';
import { CrashFs, SimulatedCrash, type DiskImage } from '@witan/journal/testing';
import {
  OWNER,
  checkRecovered,
  coinOf,
  lastNumber,
  newLedger,
  open,
  recordOf,
  runWorkload,
  type Ledger,
} from './workload.ts';

const RECORDS = 1000;

/** Runs the workload on a disk until its end or a crash. */
async function runUntilCrash(fs: CrashFs, ledger: Ledger, last: number): Promise<void> {
  try {
    await runWorkload(fs, ledger, last);
  } catch (error) {
    const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (!fs.hasCrashed) throw error;
    expect(reason).toBeInstanceOf(SimulatedCrash);
  }
}

async function stepsOf(image: DiskImage, last: number): Promise<number> {
  const fs = new CrashFs(image);
  await runWorkload(fs, newLedger(), last);
  return fs.steps;
}

describe('a crash', () => {
  it('at any step of 1,000 records loses nothing acknowledged, invents nothing (I3)', async () => {
    const crashes: Crash[] = [];
    const ledger = newLedger();
    const fs = new CrashFs(new Map(), {
      onStep: (step, imageIfCrashed) => {
        for (const coin of coinsOf(step, imageIfCrashed)) {
          crashes.push({ step, ledger: { ...ledger }, image: imageIfCrashed(coin) });
        }
      },
    });
    await runWorkload(fs, ledger, RECORDS);
    expect(ledger.acknowledged).toBeGreaterThanOrEqual(RECORDS);
    expect(new Set(crashes.map(({ step }) => step)).size).toBe(fs.steps);
    expect(fs.steps).toBeGreaterThan(500);
    for (const crash of crashes) await checkCrash(crash);
  }, 300_000);

  it('and a restart behind it go on together, again and again (I3)', async () => {
    let image: DiskImage = new Map();
    const ledger = newLedger();
    for (let round = 1; round <= 60; round += 1) {
      const fault = { kind: 'crash', step: 9 + ((round * 17) % 60) } as const;
      const fs = new CrashFs(image, { fault });
      await runUntilCrash(fs, ledger, round * 40);
      image = fs.imageAfterCrash(coinOf(round));
      const { recovered } = await open(new CrashFs(image));
      checkRecovered(recovered, ledger);
    }
    expect(ledger.acknowledged).toBeGreaterThan(600);
  });

  it('during the recovery from a crash loses nothing either (I3)', async () => {
    const steps = await stepsOf(new Map(), 100);
    expect(steps).toBeGreaterThan(70);
    for (let step = 5; step < steps; step += 7) {
      const first = new CrashFs(new Map(), { fault: { kind: 'crash', step } });
      const ledger = newLedger();
      await runUntilCrash(first, ledger, 100);
      const image = first.imageAfterCrash(coinOf(step));
      for (let again = 0; again < 12; again += 1) {
        const fs = new CrashFs(image, { fault: { kind: 'crash', step: again } });
        const second = { ...ledger };
        await runUntilCrash(fs, second, 120);
        const later = fs.imageAfterCrash(coinOf(step * 100 + again));
        const { recovered } = await open(new CrashFs(later));
        checkRecovered(recovered, second);
      }
    }
  });

  it('while a long torn tail is repaired leaves it torn or repaired (I3)', async () => {
    const { torn, ledger } = await longTornTail();
    for (let step = 0; step < 8; step += 1) {
      for (let toss = 0; toss < 20; toss += 1) {
        const fs = new CrashFs(torn, { fault: { kind: 'crash', step } });
        await runUntilCrash(fs, newLedger(), 20);
        expect(fs.hasCrashed).toBe(true);
        const { recovered } = await open(new CrashFs(fs.imageAfterCrash(coinOf(toss))));
        checkRecovered(recovered, { ...ledger, submitted: 20 });
      }
    }
  });

  it('many times before the first append leaves one segment', async () => {
    let image: DiskImage = new Map();
    for (let round = 0; round < 20; round += 1) {
      const fs = new CrashFs(image);
      const { journal } = await open(fs);
      await journal.startSegment(OWNER);
      image = fs.imageAfterCrash(coinOf(round));
    }
    expect(image.size).toBe(1);
  });

  it.each([
    ['fdatasync', withoutSync],
    ['the sync of the directory', withoutDirectorySync],
  ])('is caught by these checks when %s does nothing (planted violation)', async (_name, spoil) => {
    const crashes: Crash[] = [];
    const ledger = newLedger();
    const fs = new CrashFs(new Map(), {
      onStep: (step, imageIfCrashed) => {
        const image = imageIfCrashed(coinOf(step, 0.3));
        crashes.push({ step, ledger: { ...ledger }, image });
      },
    });
    await runWorkload(spoil(fs), ledger, 130);
    let caught = 0;
    for (const crash of crashes) await checkCrash(crash).catch(() => (caught += 1));
    expect(caught).toBeGreaterThan(10);
  });
});

/** Ten acknowledged records, and a write of nine more that lost its first sectors. */
async function longTornTail(): Promise<{ readonly torn: DiskImage; readonly ledger: Ledger }> {
  const fs = new CrashFs();
  const { journal } = await open(fs, 16_384);
  await journal.startSegment(OWNER);
  for (let number = 1; number <= 10; number += 1) await journal.append([recordOf(number)]);
  const [path, before] = [...fs.image()][0] ?? ['', new Uint8Array(0)];
  await journal.append([11, 12, 13, 14, 15, 16, 17, 18, 19].map(recordOf));
  const after = Uint8Array.from(fs.image().get(path) ?? []);
  const start = before.findLastIndex((byte) => byte !== 0) + 1;
  after.fill(0, start, start + 2048);
  const ledger = { submitted: 19, acknowledged: 10, snapshotSaved: 0 };
  return { torn: new Map([[path, after]]), ledger };
}

/** What a crash left, and what the process knew. */
interface Crash {
  readonly step: number;
  readonly ledger: Ledger;
  readonly image: DiskImage;
}

type ImageIfCrashed = (coin: () => boolean) => DiskImage;

/**
 * Nothing of what was not synced, all of it, any part of it in any order, a beginning (a torn
 * write), and an end without the beginning (reordered writes).
 */
function coinsOf(step: number, imageIfCrashed: ImageIfCrashed): readonly (() => boolean)[] {
  let tosses = 0;
  imageIfCrashed(() => {
    tosses += 1;
    return false;
  });
  const kept = Math.ceil((tosses * ((step * 37) % 100)) / 100);
  const after = (count: number, before: boolean): (() => boolean) => {
    let toss = 0;
    return () => toss++ < count === before;
  };
  const all = [(): boolean => false, (): boolean => true];
  if (tosses < 2) return all;
  return [...all, coinOf(step), coinOf(step, 0.9), after(kept, true), after(kept, false)];
}

/** What is read back is right, and a restart goes on behind it. */
async function checkCrash({ step, ledger, image }: Crash): Promise<void> {
  const fs = new CrashFs(image);
  const { journal, recovered } = await open(fs);
  checkRecovered(recovered, ledger);
  if (step % 3 !== 0) return;
  const next = lastNumber(recovered) + 1;
  await journal.startSegment(OWNER);
  await journal.append([recordOf(next)]);
  const again = await open(new CrashFs(fs.imageAfterCrash(coinOf(step, 0.2))));
  checkRecovered(again.recovered, { ...ledger, submitted: next, acknowledged: next });
}

/** The same disk, but fdatasync returns without having done anything. */
function withoutSync(fs: CrashFs): JournalFs {
  const nothing = (): Promise<void> => Promise.resolve();
  return {
    ...portOf(fs),
    create: async (path) => ({ ...(await fs.create(path)), sync: nothing }),
    open: async (path) => ({ ...(await fs.open(path)), sync: nothing }),
  };
}

/** The same disk, but new names never become durable. */
function withoutDirectorySync(fs: CrashFs): JournalFs {
  return { ...portOf(fs), syncDirectory: () => Promise.resolve() };
}

function portOf(fs: CrashFs): JournalFs {
  return {
    makeDirectory: (path) => fs.makeDirectory(path),
    list: (directory) => fs.list(directory),
    create: (path) => fs.create(path),
    open: (path) => fs.open(path),
    read: (path, bytesMax) => fs.read(path, bytesMax),
    rename: (from, to) => fs.rename(from, to),
    remove: (path) => fs.remove(path),
    syncDirectory: (path) => fs.syncDirectory(path),
    lock: (directory) => fs.lock(directory),
  };
}
