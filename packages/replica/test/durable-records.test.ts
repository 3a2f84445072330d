import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import { CanonicalWriter, utf8 } from '@witan/core';
import {
  DURABLE_RECORD_VERSION,
  LINK_BYTES,
  LogChain,
  RaftEngine,
  decodeDurableRecord,
  encodeDurableRecord,
  markOfDurableRecord,
  replayDurableLog,
  type HashParts,
} from '@witan/replica';
import { RecordingDisk, RecordingSubscriber, VirtualScheduler } from '@witan/testkit';
import { encodeEntry, encodeHardState, nodeId, type Entry } from 'raft-ts';

/** Records as the versions wrote them. Never to be changed; a new version adds its own. */
const VERSION_1_HEX = [
  '01010000001a0103000000000000000200000000000000010000000000000002000000020000001a01020000',
  '000000000000010000000000000002000000033240310000001a010200000000000000000100000000000000',
  '0300000003334031',
].join('');
const VERSION_2_HEX = [
  '0201000000000000000300000000000000020707070707070707070707070707070707070707070707070707',
  '070707070707010000001a010300000000000000020000000000000001000000000000000200000002000000',
  '1a01020000000000000000010000000000000002000000033240310000001a01020000000000000000010000',
  '00000000000300000003334031',
].join('');

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

function chainOf(...list: readonly Entry[]): LogChain {
  const chain = new LogChain(sha256);
  chain.reset(1, chain.genesis());
  chain.append(list);
  return chain;
}

describe('the hash chain over the log (I4)', () => {
  const chain = chainOf(...entries(2, 9));

  it('confirms exactly the same log up to an index', () => {
    const same = chainOf(...entries(2, 6));
    expect(chain.confirms(6, same.at(6) ?? new Uint8Array(0))).toBe(true);
    const others: readonly (readonly Entry[])[] = [
      [...entries(2, 5), entry(6, 2)],
      [...entries(2, 5), { ...entry(6), data: utf8('other') }],
      [...entries(2, 5), { ...entry(6), type: 'EntryConfChange' }],
      [entry(2), { ...entry(3), data: utf8('other') }, ...entries(4, 6)],
    ];
    for (const list of others) {
      expect(chain.confirms(6, chainOf(...list).at(6) ?? new Uint8Array(0))).toBe(false);
    }
    expect(chain.confirms(5, same.at(6) ?? new Uint8Array(0))).toBe(false);
    expect(chain.confirms(10, same.at(6) ?? new Uint8Array(0))).toBe(false);
  });

  it('follows the log when an end is replaced, and when a beginning is compacted', () => {
    const replaced = chainOf(...entries(2, 9), ...entries(5, 6, 2));
    expect(replaced.at(6)).toEqual(chainOf(...entries(2, 4), ...entries(5, 6, 2)).at(6));
    expect(replaced.at(7)).toBeUndefined();
    const last = replaced.at(6);
    replaced.compact(4);
    expect(replaced.at(3)).toBeUndefined();
    expect(replaced.at(4)).toEqual(chain.at(4));
    expect(replaced.at(6)).toEqual(last);
  });

  it('confirms nothing where no hash function was given', () => {
    const zeros = new LogChain(() => new Uint8Array(LINK_BYTES));
    zeros.append([entry(1)]);
    expect(zeros.confirms(1, new Uint8Array(LINK_BYTES))).toBe(false);
  });
});

describe('a durable record', () => {
  const mark = { index: 3, term: 2, link: new Uint8Array(LINK_BYTES).fill(7) };
  const hardState = { term: 2, vote: nodeId(1), commit: 2 };

  it('reads back as it was written, and shows its mark alone', () => {
    const record = { mark, hardState, entries: entries(2, 3, 2) };
    const bytes = encodeDurableRecord(record);
    expect(decodeDurableRecord(bytes)).toEqual(record);
    expect(markOfDurableRecord(bytes)).toEqual(mark);
    const empty = { mark: undefined, hardState: undefined, entries: [] };
    expect(decodeDurableRecord(encodeDurableRecord(empty))).toEqual(empty);
  });

  it('of version 1, which had no mark, is read forever', () => {
    const old = new CanonicalWriter()
      .u8(1)
      .optional(hardState, (writer, state) => writer.bytes(encodeHardState(state)))
      .list(entries(2, 3), (writer, one) => writer.bytes(encodeEntry(one)))
      .finish();
    // As bytes, so that a change of the codecs beneath shows too.
    expect(Buffer.from(old).toString('hex')).toBe(VERSION_1_HEX);
    const read = decodeDurableRecord(Uint8Array.from(Buffer.from(VERSION_1_HEX, 'hex')));
    expect(read).toEqual({ mark: undefined, hardState, entries: entries(2, 3) });
    expect(markOfDurableRecord(old)).toBeUndefined();
  });

  it('has a fixture for the version that is written', () => {
    expect(DURABLE_RECORD_VERSION).toBe(2);
    const bytes = encodeDurableRecord({ mark, hardState, entries: entries(2, 3) });
    expect(Buffer.from(bytes).toString('hex')).toBe(VERSION_2_HEX);
  });

  it('is refused with a code whatever else it is (I10)', () => {
    const bytes = encodeDurableRecord({ mark, hardState, entries: entries(2, 3, 2) });
    for (let length = 0; length < bytes.byteLength; length += 1) {
      expect(() => decodeDurableRecord(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'REPLICA_RECORDS_UNREADABLE' }),
      );
    }
    for (const version of [0, 3, 255]) {
      const other = Uint8Array.from(bytes);
      other[0] = version;
      expect(() => decodeDurableRecord(other)).toThrow(
        expect.objectContaining({ code: 'REPLICA_RECORDS_UNREADABLE' }),
      );
    }
  });
});

describe('a replayed log', () => {
  function record(list: readonly Entry[], chain: LogChain): Uint8Array {
    const last = list.at(-1);
    const link = chain.at(last?.index ?? 0) ?? new Uint8Array(LINK_BYTES);
    const mark = last === undefined ? undefined : { index: last.index, term: last.term, link };
    return encodeDurableRecord({ mark, hardState: undefined, entries: list });
  }

  it('ends with the mark of its last entry', () => {
    const chain = chainOf(...entries(2, 9));
    const records = [record(entries(2, 5), chain), record(entries(6, 9), chain)];
    const found = replayDurableLog(undefined, records, sha256);
    expect(found.entries).toEqual(entries(2, 9));
    expect(found.mark).toEqual({ index: 9, term: 1, link: chain.at(9) });
  });

  it('with a gap, a dropped record or a record of another log is refused', () => {
    const chain = chainOf(...entries(2, 9));
    const other = chainOf(...entries(2, 9, 3));
    const first = record(entries(2, 5), chain);
    const gap = [first, record(entries(7, 9), chain)];
    expect(() => replayDurableLog(undefined, gap, sha256)).toThrow(
      expect.objectContaining({ fields: { check: 'gap', expected: 6, found: 7 } }),
    );
    const mixed = [first, record(entries(6, 9), other)];
    expect(() => replayDurableLog(undefined, mixed, sha256)).toThrow(
      expect.objectContaining({ fields: { check: 'chain', index: 9 } }),
    );
    const wrongMark = encodeDurableRecord({
      mark: { index: 4, term: 1, link: chain.at(5) ?? new Uint8Array(LINK_BYTES) },
      hardState: undefined,
      entries: entries(2, 5),
    });
    expect(() => replayDurableLog(undefined, [wrongMark], sha256)).toThrow(
      expect.objectContaining({ fields: { check: 'mark', expected: 5, found: 4 } }),
    );
  });
});

describe('what an engine writes', () => {
  it('replays to its log, and the chain of a live engine confirms it', async () => {
    const scheduler = new VirtualScheduler();
    const disk = new RecordingDisk();
    const chain = new LogChain(sha256);
    const engine = new RaftEngine({
      nodeId: 1,
      bootstrap: {
        configuration: { voters: [1], votersOutgoing: [], learners: [] },
        snapshot: new RecordingSubscriber().snapshot(),
      },
      subscriber: new RecordingSubscriber(),
      durable: disk,
      sink: { send: () => false },
      scheduler,
      randomInt: () => 0,
      snapshotOpensJournal: () => true,
      fatal: (error) => {
        throw error;
      },
      chain,
      tuning: { snapshotEntries: 20, keepEntries: 10 },
    });
    await scheduler.run(20_000, () => engine.status().role === 'leader');
    expect(disk.snapshots).toEqual([]);
    void engine.propose(utf8('the first'), { opensJournal: true, timeoutMs: 60_000 });
    await scheduler.run(200, () => false);
    // From the genesis on: a disk stands for itself, however short its log is.
    const first = replayDurableLog(disk.kept.snapshot, disk.kept.records, sha256);
    expect(first.snapshot?.metadata).toMatchObject({ index: 1, confState: { voters: [1] } });
    expect(first.entries.map(({ index }) => index)).toEqual([2, 3]);
    expect(first.snapshotLink).toEqual(chain.genesis());
    for (let number = 0; number < 75; number += 1) {
      const command = utf8(`command ${number}`);
      void engine.propose(command, { opensJournal: true, timeoutMs: 60_000 });
      if (number % 5 === 0) await scheduler.run(200, () => false);
    }
    await scheduler.run(20_000, () => engine.status().appliedIndex >= 78);
    const found = replayDurableLog(disk.kept.snapshot, disk.kept.records, sha256);
    expect(found.snapshot?.metadata.index).toBeGreaterThan(20);
    expect(found.mark?.index).toBe(engine.status().commitIndex);
    const link = found.mark?.link ?? new Uint8Array(0);
    expect(chain.confirms(found.mark?.index ?? 0, link)).toBe(true);
    expect(chain.confirms((found.mark?.index ?? 0) - 1, link)).toBe(false);
    await engine.stop();
  });
});
