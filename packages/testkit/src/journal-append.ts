/** Demands on appending: order, durability, bounds. */
import { expect } from 'vitest';
import { utf8 } from '@witan/core';
import {
  OWNER_A,
  OWNER_B,
  codeOf,
  expectRecords,
  numbered,
  range,
  readBack,
  started,
  type JournalDemand,
} from './journal-cases.ts';

/** Appends these records, each alone, closes, and demands them back. */
function roundTrip(title: string, records: () => readonly Uint8Array[]): JournalDemand {
  return {
    title,
    body: async (medium) => {
      const journal = await started(medium);
      for (const record of records()) await journal.append([record]);
      await medium.crash();
      expectRecords(await readBack(medium), records());
    },
  };
}

export const APPEND_DEMANDS: readonly JournalDemand[] = [
  roundTrip('gives one record back', () => [numbered(1)]),
  roundTrip('gives many records back in order', () => range(1, 200)),
  roundTrip('keeps records of one byte', () => [utf8('a'), utf8('b'), utf8('c')]),
  roundTrip('keeps a record of two mebibytes', () => [new Uint8Array(2 ** 21).fill(0x5a)]),
  roundTrip('keeps records of zeros, also at the end', () =>
    [1, 15, 16, 17, 512, 1024].map((byteLength) => new Uint8Array(byteLength)),
  ),
  roundTrip('keeps records of every byte value', () =>
    Array.from({ length: 256 }, (_, byte) => new Uint8Array(33).fill(byte)),
  ),
  roundTrip('keeps equal records apart', () => [1, 1, 1, 2, 2].map(numbered)),
  roundTrip('keeps records around the size of a sector', () =>
    [495, 496, 497, 511, 512, 513, 1008, 1024].map((length) => new Uint8Array(length).fill(9)),
  ),
  {
    title: 'keeps the records of one append together and in order',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 30));
      await journal.append(range(31, 40));
      await medium.crash();
      expectRecords(await readBack(medium), range(1, 40));
    },
  },
  {
    title: 'orders appends that are not awaited by their calls',
    body: async (medium) => {
      const journal = await started(medium);
      await Promise.all(range(1, 60).map((record) => journal.append([record])));
      await medium.crash();
      expectRecords(await readBack(medium), range(1, 60));
    },
  },
  {
    title: 'takes an append of no records and adds nothing',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append([]);
      await journal.append([numbered(1)]);
      await journal.append([]);
      await medium.crash();
      expectRecords(await readBack(medium), range(1, 1));
    },
  },
  {
    title: 'loses nothing confirmed, whenever the process ends (I3)',
    body: async (medium) => {
      for (let round = 1; round <= 12; round += 1) {
        const journal = await started(medium);
        await journal.append([numbered(round)]);
        await medium.crash();
        expectRecords(await readBack(medium), range(1, round));
      }
    },
  },
  {
    title: 'keeps at most a beginning of what was not confirmed',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 5));
      for (const record of range(6, 20)) void codeOf(journal.append([record]));
      await medium.crash();
      const { length } = (await readBack(medium)).records;
      expect(length).toBeGreaterThanOrEqual(5);
      expect(length).toBeLessThanOrEqual(20);
      expectRecords(await readBack(medium), range(1, length));
    },
  },
  {
    title: 'says of each record who wrote it',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 2));
      await journal.startSegment(OWNER_B);
      await journal.append(range(3, 4));
      await medium.crash();
      const owners = (await readBack(medium)).records.map(({ owner }) => owner);
      expect(owners).toEqual([OWNER_A, OWNER_A, OWNER_B, OWNER_B]);
    },
  },
  {
    title: 'takes an owner of no bytes and one of 1,024, and refuses a longer one',
    body: async (medium) => {
      const journal = await started(medium);
      const owners = [new Uint8Array(0), new Uint8Array(1024).fill(3)];
      for (const owner of owners) {
        await journal.startSegment(owner);
        await journal.append([numbered(1)]);
      }
      expect(await codeOf(journal.startSegment(new Uint8Array(1025)))).toBe('JOURNAL_VALUE_SIZE');
      await medium.crash();
      expect((await readBack(medium)).records.map(({ owner }) => owner)).toEqual(owners);
    },
  },
  {
    title: 'refuses an empty record, and stays usable',
    body: async (medium) => {
      const journal = await started(medium);
      const empty = new Uint8Array(0);
      expect(await codeOf(journal.append([numbered(9), empty]))).toBe('JOURNAL_VALUE_SIZE');
      await journal.append([numbered(1)]);
      await medium.crash();
      expectRecords(await readBack(medium), range(1, 1));
    },
  },
  {
    title: 'refuses to hold more than the backlog allows (I10)',
    body: async (medium) => {
      const journal = await started(medium, { backlogBytesMax: 3000 });
      const first = journal.append([new Uint8Array(2000).fill(1)]);
      const second = journal.append([new Uint8Array(2000).fill(2)]);
      expect(await codeOf(second)).toBe('JOURNAL_BACKLOG_FULL');
      await first;
      await journal.append([new Uint8Array(2000).fill(3)]);
      await medium.crash();
      const firsts = (await readBack(medium)).records.map(({ data }) => data[0]);
      expect(firsts).toEqual([1, 3]);
    },
  },
  {
    title: 'does not care what the caller does with its bytes once they are confirmed',
    body: async (medium) => {
      const journal = await started(medium);
      const record = numbered(1);
      await journal.append([record]);
      record.fill(0);
      await medium.crash();
      expectRecords(await readBack(medium), range(1, 1));
    },
  },
  {
    title: 'reports each group commit',
    body: async (medium) => {
      let records = 0;
      const journal = await started(medium, {
        onSync: (sync) => {
          records += sync.records;
        },
      });
      await Promise.all(range(1, 20).map((record) => journal.append([record])));
      expect(records).toBe(20);
    },
  },
];
