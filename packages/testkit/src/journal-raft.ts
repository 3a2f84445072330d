/** Demands on what Raft finds in a journal: state, log and snapshot in every combination. */
import { expect } from 'vitest';
import { utf8 } from '@witan/core';
import {
  encodeDurableRecord,
  replayDurableLog,
  type DurableState,
  type HashParts,
} from '@witan/replica';
import { encodeSnapshot, nodeId, type Entry, type HardState } from 'raft-ts';
import { createHash } from 'node:crypto';
import { readBack, started, type JournalDemand, type JournalMedium } from './journal-cases.ts';

const sha256: HashParts = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

function entry(index: number, term = 1): Entry {
  return { index, term, type: 'EntryNormal', data: utf8(`${index}@${term}`) };
}

function entries(first: number, last: number, term = 1): readonly Entry[] {
  return Array.from({ length: last - first + 1 }, (_, at) => entry(first + at, term));
}

function state(term: number, vote: number, commit: number): HardState {
  return { term, vote: nodeId(vote), commit };
}

function record(list: readonly Entry[], hardState?: HardState): Uint8Array {
  return encodeDurableRecord({ mark: undefined, hardState, entries: list });
}

function snapshot(index: number, term = 1): Uint8Array {
  const confState = { voters: [nodeId(1)], votersOutgoing: [], learners: [], learnersNext: [] };
  const data = new Uint8Array(40).fill(index);
  const metadata = { index, term, confState: { ...confState, autoLeave: false } };
  return encodeSnapshot({ data, metadata });
}

async function replayed(medium: JournalMedium): Promise<DurableState> {
  await medium.crash();
  const recovered = await readBack(medium);
  const records = recovered.records.map(({ data }) => data);
  return replayDurableLog(recovered.snapshot?.data, records, sha256);
}

function indexes(found: DurableState): readonly string[] {
  return found.entries.map(({ index, term }) => `${index}@${term}`);
}

function names(first: number, last: number, term = 1): readonly string[] {
  return entries(first, last, term).map(({ index }) => `${index}@${term}`);
}

/** Appends records, each alone, and demands this log. */
function log(
  title: string,
  records: readonly Uint8Array[],
  expected: readonly string[],
): JournalDemand {
  return {
    title,
    body: async (medium) => {
      const journal = await started(medium);
      for (const one of records) await journal.append([one]);
      expect(indexes(await replayed(medium))).toEqual(expected);
    },
  };
}

/** Ten entries, a snapshot at `index` with the rest as its tail, and then two more. */
function purge(index: number): JournalDemand {
  return {
    title: `purges the log up to ${index} of 20, and goes on`,
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append([record(entries(1, 20))]);
      const tail = index < 20 ? [record(entries(index + 1, 20))] : [];
      await journal.saveSnapshot({ index, term: 1, data: snapshot(index), tail });
      const before = await replayed(medium);
      expect(before.snapshot?.metadata.index).toBe(index);
      expect(indexes(before)).toEqual(index < 20 ? names(index + 1, 20) : []);
      const again = await started(medium);
      await again.append([record(entries(21, 22))]);
      expect(indexes(await replayed(medium))).toEqual(names(index + 1, 22));
    },
  };
}

export const RAFT_DEMANDS: readonly JournalDemand[] = [
  log('finds no log in an empty journal', [], []),
  log('finds one entry', [record([entry(1)])], names(1, 1)),
  log(
    'finds entries of several records',
    [1, 2, 3].map((i) => record([entry(i)])),
    names(1, 3),
  ),
  log('finds a log that starts behind the genesis', [record(entries(2, 9))], names(2, 9)),
  log('takes the same entries twice', [record(entries(1, 5)), record(entries(3, 5))], names(1, 5)),
  log(
    'replaces a conflicting end',
    [record(entries(1, 9)), record(entries(6, 7, 2))],
    [...names(1, 5), ...names(6, 7, 2)],
  ),
  log('replaces the whole log', [record(entries(1, 9)), record(entries(1, 2, 4))], names(1, 2, 4)),
  log(
    'replaces an end again and again',
    [1, 2, 3, 4, 5].map((term) => record(entries(term, 8, term))),
    [...[1, 2, 3, 4].map((term) => `${term}@${term}`), ...names(5, 8, 5)],
  ),
  purge(1),
  purge(5),
  purge(20),
  {
    title: 'finds the newest hard state, also without entries',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append([record([], state(1, 2, 0)), record(entries(1, 1))]);
      await journal.append([record([], state(3, 1, 1))]);
      expect((await replayed(medium)).hardState).toEqual(state(3, 1, 1));
    },
  },
  {
    title: 'keeps hard state in the tail of a snapshot',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append([record(entries(1, 3), state(2, 1, 3))]);
      const tail = [record([], state(2, 1, 3))];
      await journal.saveSnapshot({ index: 3, term: 1, data: snapshot(3), tail });
      const found = await replayed(medium);
      expect(found.hardState).toEqual(state(2, 1, 3));
      expect(found.mark).toMatchObject({ index: 3, term: 1 });
    },
  },
  {
    title: 'keeps types and bytes of entries, also of empty ones',
    body: async (medium) => {
      const list: readonly Entry[] = [
        { ...entry(1), type: 'EntryConfChange' },
        { ...entry(2), type: 'EntryConfChangeV2', data: new Uint8Array(0) },
        { ...entry(3), data: new Uint8Array(70_000).fill(0) },
      ];
      const journal = await started(medium);
      await journal.append([record(list)]);
      expect((await replayed(medium)).entries).toEqual(list);
    },
  },
  {
    title: 'takes a snapshot that is ahead of the log, as a leader sends it',
    body: async (medium) => {
      const journal = await started(medium);
      await journal.append([record(entries(1, 5))]);
      await journal.saveSnapshot({ index: 50, term: 4, data: snapshot(50, 4), tail: [] });
      await journal.append([record(entries(51, 52, 4))]);
      const found = await replayed(medium);
      expect(found.snapshot?.metadata).toMatchObject({ index: 50, term: 4 });
      expect(indexes(found)).toEqual(names(51, 52, 4));
    },
  },
];
