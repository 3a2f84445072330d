/** What of the log stays in memory. */
import { nodeId, type Entry } from 'raft-ts';
import { expect, test } from 'vitest';
import { Compactor } from '../src/raft/compactor.ts';
import { BOOTSTRAP_INDEX, EngineStorage } from '../src/raft/engine-storage.ts';
import { LogChain, NO_HASH } from '../src/raft/log-chain.ts';

const LIMITS = { snapshotEntries: 1000, snapshotBytes: 1e9, keepEntries: 50, keepBytes: 10_000 };
const COMMANDS = 500;

/** Applies `COMMANDS` entries one by one. @returns the most that the log held on its way */
function applyAll(entryBytes: number, journalOpen: boolean): { entries: number; bytes: number } {
  const applied = { appliedIndex: BOOTSTRAP_INDEX as number, appliedBytes: 0 };
  const voters = [nodeId(1)];
  const confState = {
    voters,
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const storage = new EngineStorage({
    chain: new LogChain(NO_HASH),
    appliedIndex: () => applied.appliedIndex,
    confState: () => confState,
    data: () => new Uint8Array(0),
  });
  storage.bootstrap({ snapshot: new Uint8Array(0) });
  let snapshots = 0;
  const shorten = (): void => {
    snapshots += 1;
  };
  const journal = { journalOpen, shorten };
  const compactor = new Compactor({ tuning: LIMITS, applier: applied, storage, journal });
  let most = 0;
  for (let count = 0; count < COMMANDS; count += 1) {
    const data = new Uint8Array(entryBytes);
    const entry: Entry = { index: storage.lastIndex() + 1, term: 1, type: 'EntryNormal', data };
    storage.append([entry]);
    applied.appliedIndex += 1;
    applied.appliedBytes += entryBytes;
    compactor.look();
    most = Math.max(most, storage.lastIndex() - storage.firstIndex() + 1);
  }
  expect(snapshots).toBe(0);
  return { entries: most, bytes: most * entryBytes };
}

test('between snapshots memory keeps a number of entries, at most twice', () => {
  const { entries } = applyAll(10, true);
  expect(entries).toBeGreaterThanOrEqual(LIMITS.keepEntries);
  expect(entries).toBeLessThanOrEqual(2 * LIMITS.keepEntries);
});

test('large commands are bounded by their bytes', () => {
  const { entries, bytes } = applyAll(2000, true);
  expect(entries).toBeGreaterThan(0);
  expect(bytes).toBeLessThanOrEqual(2 * LIMITS.keepBytes + 2000);
});

test('a log without a journal stays whole, since the journal begins with all of it', () => {
  expect(applyAll(10, false).entries).toBe(COMMANDS);
});
