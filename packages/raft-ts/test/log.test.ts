/** The log and its unstable end, storage, progress and windows: unit tests and a model. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Inflights,
  MemoryStorage,
  Progress,
  RaftError,
  entrySizeBytes,
  type Entry,
} from '../src/index.ts';
import { sliceWithinBytes } from '../src/log/entries.ts';
import { RaftLog } from '../src/log/raft-log.ts';
import { Unstable } from '../src/log/unstable.ts';
import { bytes, confStateOf } from './support/ids.ts';

const entry = (term: number, index: number, data = ''): Entry => ({
  term,
  index,
  type: 'EntryNormal',
  data: bytes(data),
});

function storageOf(terms: readonly number[]): MemoryStorage {
  const storage = new MemoryStorage();
  storage.append(terms.map((term, position) => entry(term, position + 1)));
  return storage;
}

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'accepted';
  } catch (error) {
    if (error instanceof RaftError) return error.code;
    throw error;
  }
}

describe('sliceWithinBytes', () => {
  it('takes the longest prefix within the limit, and at least one entry', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9 })), fc.nat({ max: 200 }), (sizes, bytesMax) => {
        const entries = sizes.map((size, at) => entry(1, at + 1, 'x'.repeat(size)));
        const found = sliceWithinBytes(entries, 0, entries.length, bytesMax);
        const size = (some: readonly Entry[]): number =>
          some.reduce((sum, each) => sum + entrySizeBytes(each), 0);
        expect(found).toEqual(entries.slice(0, found.length));
        if (found.length > 1) expect(size(found)).toBeLessThanOrEqual(bytesMax);
        if (entries.length > 0) expect(found.length).toBeGreaterThan(0);
        if (found.length < entries.length) {
          expect(size(entries.slice(0, found.length + 1))).toBeGreaterThan(bytesMax);
        }
      }),
    );
  });
});

it('sliceWithinBytes reads no more than it returns, and the entry that does not fit', () => {
  let read = 0;
  const whole = Array.from({ length: 1000 }, (_, at) => entry(1, at + 1, 'abc'));
  const counted = new Proxy(whole, {
    get: (target, key, receiver) => {
      if (typeof key === 'string' && /^\d+$/.test(key)) read += 1;
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  const size = entrySizeBytes(entry(1, 1, 'abc'));
  expect(sliceWithinBytes(counted, 10, 1000, 3 * size)).toEqual(whole.slice(10, 13));
  // Four while measuring, three while copying.
  expect(read).toBe(7);
});

describe('the log', () => {
  it('reads stable and unstable entries as one, whatever the split and the limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.nat({ max: 10 }),
        fc.nat({ max: 10 }),
        fc.nat({ max: 300 }),
        (count, split, from, bytesMax) => {
          const all = Array.from({ length: count }, (_, at) => entry(1, at + 1, 'abc'));
          const storage = new MemoryStorage();
          storage.append(all.slice(0, Math.min(split, count)));
          const log = new RaftLog(storage, 1000);
          log.append(all.slice(Math.min(split, count)));
          const lo = Math.min(from, count - 1) + 1;
          const expected = sliceWithinBytes(all, lo - 1, count, bytesMax);
          expect(log.entriesFrom(lo, bytesMax)).toEqual(expected);
        },
      ),
    );
  });

  it('finds the last index whose term is not above the given one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 }),
        fc.nat({ max: 6 }),
        fc.nat({ max: 14 }),
        (unsorted, term, from) => {
          const terms = unsorted.toSorted((left, right) => left - right);
          const log = new RaftLog(storageOf(terms), 1000);
          const start = Math.min(from, terms.length);
          const expected = terms.slice(0, start).findLastIndex((each) => each <= term) + 1;
          expect(log.findConflictByTerm(start, term).index).toBe(expected);
        },
      ),
    );
  });

  it('compares candidates by last term, then by last index', () => {
    const log = new RaftLog(storageOf([1, 2, 2]), 1000);
    expect(log.isUpToDate({ term: 2, index: 3 })).toBe(true);
    expect(log.isUpToDate({ term: 3, index: 1 })).toBe(true);
    expect(log.isUpToDate({ term: 2, index: 2 })).toBe(false);
    expect(log.isUpToDate({ term: 1, index: 9 })).toBe(false);
  });

  it('hands out committed entries once, within the budget, only durable ones if so asked', () => {
    const log = new RaftLog(storageOf([1, 1]), 2 * entrySizeBytes(entry(1, 1)));
    log.append([entry(1, 3)]);
    log.commitTo(3);
    expect(log.nextCommitted(false).map((each) => each.index)).toEqual([1, 2]);
    log.acceptApplying(2, 42, true);
    expect(log.hasNextCommitted(true)).toBe(false);
    log.appliedTo(2, 42);
    expect(log.hasNextCommitted(false)).toBe(false);
    expect(log.nextCommitted(true).map((each) => each.index)).toEqual([3]);
  });

  it('never goes back: applying beyond the commit index violates an invariant', () => {
    const log = new RaftLog(storageOf([1, 1]), 1000);
    expect(() => log.appliedTo(1, 0)).toThrow('only committed entries are applied');
    expect(() => log.commitTo(3)).toThrow('only entries in the log are committed');
  });
});

describe('the unstable end', () => {
  it('agrees with a plain array under appends, writes and their ends', () => {
    const action = fc.oneof(
      fc.record({
        kind: fc.constant('append' as const),
        back: fc.nat({ max: 4 }),
        count: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({ kind: fc.constant('write' as const) }),
      fc.record({ kind: fc.constant('done' as const) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
        const unstable = new Unstable(1);
        let model: Entry[] = [];
        let stable = 0;
        let handedOut: readonly Entry[] = [];
        for (const [at, each] of actions.entries()) {
          if (each.kind === 'append') {
            const first = Math.max(1, model.length + 1 - each.back);
            const added = Array.from({ length: each.count }, (_, n) => entry(at + 1, first + n));
            model = [...model.slice(0, first - 1), ...added];
            stable = Math.min(stable, first - 1);
            unstable.truncateAndAppend(added);
          } else if (each.kind === 'write') {
            handedOut = unstable.nextEntries();
            unstable.acceptInProgress();
            expect(unstable.hasNextEntries()).toBe(false);
          } else {
            const last = handedOut.at(-1);
            if (last === undefined) continue;
            unstable.stableTo(last.index, last.term);
            const kept = model[last.index - 1]?.term === last.term;
            if (kept) stable = Math.max(stable, last.index);
          }
          expect(unstable.offset).toBe(stable + 1);
          expect(unstable.slice(stable + 1, model.length + 1, 10_000)).toEqual(model.slice(stable));
        }
      }),
    );
  });
});

describe('storage', () => {
  it('answers for the entry before the first one, and with codes outside of the log', () => {
    const storage = storageOf([1, 2, 3, 4]);
    storage.compact(2);
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(2)]).toEqual([3, 4, 2]);
    expect(codeOf(() => storage.term(1))).toBe('RAFT_COMPACTED');
    expect(codeOf(() => storage.term(5))).toBe('RAFT_UNAVAILABLE');
    expect(codeOf(() => storage.entries(2, 4, 1e3))).toBe('RAFT_COMPACTED');
    expect(codeOf(() => storage.entries(3, 6, 1e3))).toBe('RAFT_UNAVAILABLE');
    expect(codeOf(() => storage.compact(2))).toBe('RAFT_COMPACTED');
    expect(storage.entries(3, 5, 0).map((each) => each.index)).toEqual([3]);
  });

  it('replaces a tail, skips what is compacted, and leaves no gap', () => {
    const storage = storageOf([1, 1, 1, 1]);
    storage.compact(2);
    storage.append([entry(2, 2), entry(2, 3)]);
    expect([storage.lastIndex(), storage.term(3)]).toEqual([3, 2]);
    expect(() => storage.append([entry(2, 6)])).toThrow('no gap');
  });

  it('takes snapshots that are newer only', () => {
    const storage = storageOf([1, 1, 2]);
    const confState = confStateOf([1]);
    expect(storage.createSnapshot(3, confState, bytes('s')).metadata.term).toBe(2);
    expect(codeOf(() => storage.createSnapshot(3, confState, bytes('s')))).toBe(
      'RAFT_SNAPSHOT_OUT_OF_DATE',
    );
    expect(codeOf(() => storage.createSnapshot(9, confState, bytes('s')))).toBe('RAFT_UNAVAILABLE');
    storage.applySnapshot({ data: bytes('t'), metadata: { index: 9, term: 3, confState } });
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(9)]).toEqual([10, 9, 3]);
    const older = { data: bytes('u'), metadata: { index: 8, term: 3, confState } };
    expect(codeOf(() => storage.applySnapshot(older))).toBe('RAFT_SNAPSHOT_OUT_OF_DATE');
  });
});

describe('the window of appends', () => {
  it('is full by messages or by bytes, and empties in order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 5 }), { maxLength: 200 }), (sizes) => {
        const inflights = new Inflights(4, 10);
        let model: { index: number; bytes: number }[] = [];
        for (const [at, size] of sizes.entries()) {
          const bytesNow = model.reduce((sum, each) => sum + each.bytes, 0);
          expect(inflights.isFull()).toBe(model.length >= 4 || bytesNow >= 10);
          expect(inflights.count()).toBe(model.length);
          if (inflights.isFull()) {
            const upTo = model[size % model.length]?.index ?? 0;
            inflights.freeUpTo(upTo);
            model = model.filter((each) => each.index > upTo);
          } else {
            inflights.add(at, size);
            model.push({ index: at, bytes: size });
          }
        }
      }),
    );
  });
});

describe('progress', () => {
  const make = (match: number, next: number): Progress =>
    new Progress({
      match,
      next,
      isLearner: false,
      recentActive: true,
      inflightMessagesMax: 2,
      inflightBytesMax: 0,
    });

  it('probes one append at a time, and pipelines up to the window in replicate', () => {
    const progress = make(3, 5);
    progress.sentEntries(1, 10);
    expect(progress.isPaused()).toBe(true);
    progress.becomeReplicate();
    expect(progress.next).toBe(4);
    progress.sentEntries(2, 10);
    expect([progress.next, progress.isPaused()]).toEqual([6, false]);
    progress.sentEntries(1, 10);
    expect([progress.next, progress.isPaused()]).toEqual([7, true]);
  });

  it('ignores stale rejections and keeps match below next', () => {
    fc.assert(
      fc.property(fc.nat(9), fc.nat(9), fc.nat(12), fc.nat(12), (match, ahead, rejected, hint) => {
        const progress = make(match, match + 1 + ahead);
        const before = progress.next;
        const news = progress.maybeDecrease(rejected, hint);
        expect(news).toBe(rejected === before - 1);
        expect(progress.next).toBeGreaterThan(progress.match);
        expect(progress.next).toBeLessThanOrEqual(before);
        if (!news) expect(progress.next).toBe(before);
      }),
    );
  });

  it('starts after the snapshot that was sent, unless the sending failed', () => {
    const progress = make(1, 2);
    progress.becomeSnapshot(10);
    expect([progress.next, progress.isPaused()]).toEqual([11, true]);
    progress.becomeProbe();
    expect(progress.next).toBe(11);
    progress.becomeSnapshot(20);
    progress.pendingSnapshot = 0;
    progress.becomeProbe();
    expect(progress.next).toBe(2);
  });
});
