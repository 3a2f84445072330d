import { describe, expect, it } from 'vitest';
import type { JournalFs } from '@witan/journal';
import { CrashFs, SimulatedCrash, type DiskImage } from '@witan/journal/testing';
import {
  OWNER,
  checkRecovered,
  coinOf,
  newLedger,
  open,
  recordOf,
  runWorkload,
  type Ledger,
} from './workload.ts';

const RECORDS = 300;

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
  it('at any step of a workload loses nothing acknowledged and invents nothing (I3)', async () => {
    const steps = await stepsOf(new Map(), RECORDS);
    expect(steps).toBeGreaterThan(200);
    for (let step = 0; step < steps; step += 1) {
      const fs = new CrashFs(new Map(), { fault: { kind: 'crash', step } });
      const ledger = newLedger();
      await runUntilCrash(fs, ledger, RECORDS);
      expect(fs.hasCrashed).toBe(true);
      for (const chance of [0, 0.5, 0.9, 1]) {
        const image = fs.imageAfterCrash(coinOf(step, chance));
        const { recovered } = await open(new CrashFs(image));
        checkRecovered(recovered, ledger);
      }
    }
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

  it('is caught by these checks when a sync is left out (planted violation)', async () => {
    let caught = 0;
    for (let step = 10; step < 60; step += 1) {
      const fs = new CrashFs(new Map(), { fault: { kind: 'crash', step } });
      const ledger = newLedger();
      await runWorkload(withoutSync(fs), ledger, 60).catch(() => undefined);
      if (!fs.hasCrashed) continue;
      try {
        const { recovered } = await open(new CrashFs(fs.imageAfterCrash(coinOf(step, 0.3))));
        checkRecovered(recovered, ledger);
      } catch {
        caught += 1;
      }
    }
    expect(caught).toBeGreaterThan(0);
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

/** The same disk, but fdatasync returns without having done anything. */
function withoutSync(fs: CrashFs): JournalFs {
  return {
    makeDirectory: (path) => fs.makeDirectory(path),
    list: (directory) => fs.list(directory),
    create: async (path) => ({ ...(await fs.create(path)), sync: () => Promise.resolve() }),
    open: (path) => fs.open(path),
    read: (path, bytesMax) => fs.read(path, bytesMax),
    rename: (from, to) => fs.rename(from, to),
    remove: (path) => fs.remove(path),
    syncDirectory: (path) => fs.syncDirectory(path),
    lock: (directory) => fs.lock(directory),
  };
}
