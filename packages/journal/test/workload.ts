/**
 * A workload for crash tests: records that name themselves, snapshots now and then, and a check
 * that what comes back is a continuation of what was acknowledged.
 */
import { bytesEqual, fromUtf8, utf8 } from '@witan/core';
import { openJournal, type Journal, type JournalFs, type Recovered } from '@witan/journal';
import { expect } from 'vitest';

export const DIRECTORY = '/data/journal';
export const OWNER: Uint8Array = utf8('cluster 1, epoch 1, incarnation 1');

/** Record `number`: its number, then bytes that differ between records and are never zero. */
export function recordOf(number: number): Uint8Array {
  const filler = String.fromCharCode(97 + (number % 26)).repeat((number * 37) % 700);
  return utf8(`${number} ${filler}.`);
}

export function numberOf(record: Uint8Array): number {
  const number = Number(fromUtf8(record).split(' ')[0]);
  // Not `expect`, which costs more than all the rest of the crash tests.
  if (!bytesEqual(record, recordOf(number))) throw new Error(`not record ${number}`);
  return number;
}

/** What the process knew when it ended. */
export interface Ledger {
  /** Highest record handed to `append`. */
  submitted: number;
  /** Highest record whose `append` resolved. */
  acknowledged: number;
  /** Highest snapshot that resolved. */
  snapshotSaved: number;
}

export function newLedger(): Ledger {
  return { submitted: 0, acknowledged: 0, snapshotSaved: 0 };
}

export function open(
  fs: JournalFs,
  segmentBytesMax = 4096,
): Promise<{ readonly journal: Journal; readonly recovered: Recovered }> {
  return openJournal({ directory: DIRECTORY, fs, segmentBytesMax });
}

/** Appends records in overlapping batches and saves a snapshot after every 60. */
export async function runWorkload(fs: JournalFs, ledger: Ledger, last: number): Promise<void> {
  const { journal, recovered } = await open(fs);
  const first = lastNumber(recovered) + 1;
  await journal.startSegment(OWNER);
  const pending: Promise<void>[] = [];
  for (let number = first; number <= last;) {
    const batch = [number, number + 1, number + 2].slice(0, 1 + (number % 3));
    const highest = batch.at(-1) ?? number;
    ledger.submitted = Math.max(ledger.submitted, highest);
    const appended = journal.append(batch.map(recordOf)).then(() => {
      ledger.acknowledged = Math.max(ledger.acknowledged, highest);
    });
    appended.catch(() => undefined);
    pending.push(appended);
    if (highest % 7 === 0) await appended;
    if (Math.floor(highest / 60) > Math.floor((number - 1) / 60)) {
      const saved = saveSnapshot(journal, ledger, highest);
      saved.catch(() => undefined);
      pending.push(saved);
    }
    number = highest + 1;
  }
  await Promise.all(pending);
  await journal.close();
}

/** A snapshot of everything up to five records before the newest; those five are its tail. */
async function saveSnapshot(journal: Journal, ledger: Ledger, highest: number): Promise<void> {
  const index = highest - 5;
  const tail = [1, 2, 3, 4, 5].map((step) => recordOf(index + step));
  await journal.saveSnapshot({ index, term: 1, data: snapshotData(index), tail });
  ledger.snapshotSaved = Math.max(ledger.snapshotSaved, index);
}

export function snapshotData(index: number): Uint8Array {
  return utf8(`everything up to ${index} ${'s'.repeat(index * 3)}`);
}

/** The number of the last record, from records or else from the snapshot. */
export function lastNumber(recovered: Recovered): number {
  const last = recovered.records.at(-1);
  return last === undefined ? (recovered.snapshot?.index ?? 0) : numberOf(last.data);
}

/** Nothing acknowledged is lost, nothing is invented, nothing is out of order (I3). */
export function checkRecovered(recovered: Recovered, ledger: Ledger): void {
  const { snapshot, records } = recovered;
  if (snapshot !== undefined) {
    expect(fromUtf8(snapshot.data)).toBe(fromUtf8(snapshotData(snapshot.index)));
    expect(snapshot.owner).toEqual(OWNER);
  }
  const numbers = records.map((record) => numberOf(record.data));
  const first = (snapshot?.index ?? 0) + 1;
  expect(numbers).toEqual(numbers.map((_, position) => first + position));
  expect(lastNumber(recovered)).toBeGreaterThanOrEqual(ledger.acknowledged);
  expect(lastNumber(recovered)).toBeLessThanOrEqual(ledger.submitted);
  expect(snapshot?.index ?? 0).toBeGreaterThanOrEqual(ledger.snapshotSaved);
  if (!records.every(({ owner }) => bytesEqual(owner, OWNER))) throw new Error('another owner');
}

/** A coin with a memory: `mulberry32`, so that a failure can be repeated from its seed. */
export function coinOf(seed: number, chance = 0.5): () => boolean {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000 < chance;
  };
}
