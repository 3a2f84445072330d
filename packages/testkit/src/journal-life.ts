/** Demands on opening, closing, and failing. */
import { expect } from 'vitest';
import {
  codeOf,
  expectRecords,
  numbered,
  range,
  readBack,
  started,
  type JournalDemand,
} from './journal-cases.ts';

export const LIFE_DEMANDS: readonly JournalDemand[] = [
  {
    title: 'starts with nothing',
    body: async (medium) => {
      expect(await medium.exists()).toBe(false);
      const recovered = await readBack(medium);
      expect(recovered).toEqual({ snapshot: undefined, records: [], findings: [] });
    },
  },
  {
    title: 'leaves nothing behind when it was only opened',
    body: async (medium) => {
      await readBack(medium);
      expect(await medium.exists()).toBe(false);
    },
  },
  {
    title: 'is there once something was confirmed',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append([numbered(1)]);
      await journal.close();
      expect(await medium.exists()).toBe(true);
    },
  },
  {
    title: 'takes nothing before a segment was started',
    body: async (medium) => {
      const { journal } = await medium.open();
      const snapshot = { index: 1, term: 1, data: numbered(1), tail: [] };
      expect(await codeOf(journal.append([numbered(1)]))).toBe('JOURNAL_NOT_STARTED');
      expect(await codeOf(journal.saveSnapshot(snapshot))).toBe('JOURNAL_NOT_STARTED');
      await journal.close();
      expectRecords(await readBack(medium), []);
    },
  },
  {
    title: 'goes on behind what an earlier process closed',
    body: async (medium) => {
      for (let round = 0; round < 20; round += 1) {
        const journal = await started(medium);
        await journal.append(range(round * 2 + 1, round * 2 + 2));
        await journal.close();
      }
      expectRecords(await readBack(medium), range(1, 40));
    },
  },
  {
    title: 'reads the same again and again',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 9));
      await medium.crash();
      const first = await readBack(medium);
      expectRecords(first, range(1, 9));
      expectRecords(await readBack(medium), range(1, 9));
    },
  },
  {
    title: 'finishes what is under way before it closes, and closes once',
    body: async (medium) => {
      const journal = await started(medium);
      const appended = range(1, 8).map((record) => journal.append([record]));
      await Promise.all([journal.close(), journal.close(), ...appended]);
      expectRecords(await readBack(medium), range(1, 8));
    },
  },
  {
    title: 'takes nothing once it was closed',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.close();
      const snapshot = { index: 1, term: 1, data: numbered(1), tail: [] };
      expect(await codeOf(journal.append([numbered(1)]))).toBe('JOURNAL_CLOSED');
      expect(await codeOf(journal.saveSnapshot(snapshot))).toBe('JOURNAL_CLOSED');
      expect(await codeOf(journal.startSegment(numbered(1)))).toBe('JOURNAL_CLOSED');
    },
  },
  {
    title: 'belongs to one process at a time',
    body: async (medium) => {
      const journal = await started(medium);
      expect(await codeOf(medium.open())).toBe('JOURNAL_LOCKED');
      await journal.append([numbered(1)]);
      await journal.close();
      expectRecords(await readBack(medium), range(1, 1));
    },
  },
  {
    title: 'ends with the first sync that fails: every later call rejects, and it says so once',
    body: async (medium) => {
      const fatal: string[] = [];
      const journal = await started(medium, { onFatal: ({ code }) => fatal.push(code) });
      await journal.append(range(1, 3));
      medium.failSyncs();
      const failed = 'JOURNAL_SYNC_FAILED';
      expect(await codeOf(journal.append([numbered(4)]))).toBe(failed);
      expect(await codeOf(journal.append([numbered(5)]))).toBe(failed);
      expect(await codeOf(journal.startSegment(numbered(1)))).toBe(failed);
      expect(fatal).toEqual([failed]);
      await medium.crash();
      const { length } = (await readBack(medium)).records;
      expect(length).toBeGreaterThanOrEqual(3);
      expectRecords(await readBack(medium), range(1, length));
    },
  },
  {
    title: 'lets every append that waits for a failing sync fail',
    body: async (medium) => {
      const journal = await started(medium);
      medium.failSyncs();
      const codes = await Promise.all(range(1, 9).map((one) => codeOf(journal.append([one]))));
      expect(new Set(codes)).toEqual(new Set(['JOURNAL_SYNC_FAILED']));
    },
  },
];
