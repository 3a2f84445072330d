/** Demands on snapshots: they replace what is before them, whole or not at all. */
import { expect } from 'vitest';
import { utf8 } from '@witan/core';
import type { Recovered } from '@witan/journal';
import {
  OWNER_A,
  codeOf,
  expectRecords,
  numbered,
  range,
  readBack,
  started,
  type JournalDemand,
} from './journal-cases.ts';

const NO_TAIL: readonly Uint8Array[] = [];

function at(index: number, tail: readonly Uint8Array[] = NO_TAIL) {
  return { index, term: 3, data: utf8(`state ${index}`), tail };
}

function expectSnapshot(recovered: Recovered, index: number): void {
  const { term, data } = at(index);
  expect(recovered.snapshot).toEqual({ index, term, owner: OWNER_A, data });
}

export const SNAPSHOT_DEMANDS: readonly JournalDemand[] = [
  {
    title: 'gives a snapshot back with its label and owner',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.saveSnapshot(at(7));
      await medium.crash();
      const recovered = await readBack(medium);
      expectSnapshot(recovered, 7);
      expectRecords(recovered, []);
    },
  },
  {
    title: 'drops what was appended before a snapshot, unless it is in the tail',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 10));
      await journal.saveSnapshot(at(8, range(9, 10)));
      await medium.crash();
      const recovered = await readBack(medium);
      expectSnapshot(recovered, 8);
      expectRecords(recovered, range(9, 10));
    },
  },
  {
    title: 'puts later records behind the tail',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 4));
      await journal.saveSnapshot(at(3, range(4, 4)));
      await journal.append(range(5, 9));
      await medium.crash();
      expectRecords(await readBack(medium), range(4, 9));
    },
  },
  {
    title: 'replaces an older snapshot by a newer one',
    body: async (medium) => {
      const journal = await started(medium);
      for (let number = 1; number <= 5; number += 1) {
        await journal.append([numbered(number)]);
        await journal.saveSnapshot(at(number));
      }
      await medium.crash();
      const recovered = await readBack(medium);
      expectSnapshot(recovered, 5);
      expectRecords(recovered, []);
    },
  },
  {
    title: 'takes appends while a snapshot is being saved, and puts them behind it',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 5));
      const saved = journal.saveSnapshot(at(5));
      const appended = range(6, 12).map((record) => journal.append([record]));
      await Promise.all([saved, ...appended]);
      await medium.crash();
      const recovered = await readBack(medium);
      expectSnapshot(recovered, 5);
      expectRecords(recovered, range(6, 12));
    },
  },
  {
    title: 'takes snapshots that are not awaited in the order of their calls',
    body: async (medium) => {
      const journal = await started(medium);
      await Promise.all([1, 2, 3].map((index) => journal.saveSnapshot(at(index))));
      await medium.crash();
      expectSnapshot(await readBack(medium), 3);
    },
  },
  {
    title: 'leaves a snapshot that was not confirmed whole or not there',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 6));
      void codeOf(journal.saveSnapshot(at(4, range(5, 6))));
      await medium.crash();
      const recovered = await readBack(medium);
      if (recovered.snapshot === undefined) expectRecords(recovered, range(1, 6));
      else expectRecords(recovered, range(5, 6));
    },
  },
  {
    title: 'keeps a snapshot of no bytes, and one of three mebibytes',
    body: async (medium) => {
      let journal = await started(medium);
      for (const byteLength of [0, 3 * 2 ** 20]) {
        const data = new Uint8Array(byteLength).fill(0xab);
        await journal.saveSnapshot({ index: byteLength, term: 1, data, tail: NO_TAIL });
        await medium.crash();
        const { snapshot } = await readBack(medium);
        expect(snapshot?.data.byteLength).toBe(byteLength);
        expect(snapshot?.data.every((byte) => byte === 0xab)).toBe(true);
        if (byteLength === 0) journal = await started(medium);
      }
    },
  },
  {
    title: 'keeps a long tail',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append(range(1, 300));
      await journal.saveSnapshot(at(1, range(2, 300)));
      await medium.crash();
      expectRecords(await readBack(medium), range(2, 300));
    },
  },
  {
    title: 'goes on behind a snapshot after a restart',
    body: async (medium) => {
      const first = await started(medium);
      await first.append(range(1, 3));
      await first.saveSnapshot(at(3));
      await medium.crash();
      const second = await started(medium);
      await second.append(range(4, 5));
      await medium.crash();
      const recovered = await readBack(medium);
      expectSnapshot(recovered, 3);
      expectRecords(recovered, range(4, 5));
    },
  },
];
