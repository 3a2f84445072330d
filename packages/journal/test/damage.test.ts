import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '@witan/core';
import { JournalError, dangerDiscardJournal, type Recovered } from '@witan/journal';
import { CrashFs, type DiskImage } from '@witan/journal/testing';
import { MARK_FRAME_BYTES, markPayload, writeFrame } from '../src/frames.ts';
import { readSegment, writeSegmentHeader } from '../src/segment.ts';
import { DIRECTORY, OWNER, numberOf, open, recordOf, snapshotData } from './workload.ts';

/** The only segment of an image, and the image with other contents in its place. */
function segmentOf(image: DiskImage, sequence = 1): readonly [string, Uint8Array] {
  const path = `${DIRECTORY}/segment-${String(sequence).padStart(16, '0')}.wal`;
  const bytes = image.get(path);
  if (bytes === undefined) throw new Error(`no segment ${sequence}`);
  return [path, bytes];
}

function replaced(image: DiskImage, path: string, bytes: Uint8Array): DiskImage {
  return new Map([...image, [path, bytes]]);
}

/** A journal of one segment whose process was killed, one sync for each record. */
async function smallImage(records: number): Promise<DiskImage> {
  const fs = new CrashFs();
  const { journal } = await open(fs);
  await journal.startSegment(OWNER);
  for (let number = 1; number <= records; number += 1) await journal.append([recordOf(number)]);
  return fs.image();
}

/** A snapshot, two ended segments behind it and one that was being written. */
async function largeImage(variant = 0): Promise<DiskImage> {
  const fs = new CrashFs();
  const { journal } = await open(fs);
  await journal.startSegment(OWNER);
  const at = (number: number): Uint8Array => recordOf(number + variant);
  for (let number = 1; number <= 6; number += 1) await journal.append([at(number)]);
  const tail = [at(6)];
  await journal.saveSnapshot({ index: 5, term: 1, data: snapshotData(5), tail });
  for (let number = 7; number <= 30; number += 1) await journal.append([at(number)]);
  const image = fs.image();
  expect(image.size).toBe(4);
  return image;
}

/** Where the writes of a segment start. */
function marksOf(bytes: Uint8Array): readonly number[] {
  const buffer = Buffer.from(bytes);
  const marks: number[] = [];
  for (let at = buffer.indexOf('WITANMRK'); at >= 0; at = buffer.indexOf('WITANMRK', at + 1)) {
    marks.push(at - 16);
  }
  return marks;
}

async function tryRecover(image: DiskImage): Promise<Recovered | JournalError> {
  try {
    return (await open(new CrashFs(image))).recovered;
  } catch (error) {
    if (error instanceof JournalError) return error;
    throw error;
  }
}

function numbersIn(recovered: Recovered): readonly number[] {
  return recovered.records.map((record) => numberOf(record.data));
}

/** Where the written part of a segment ends. */
function usedBytes(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

describe('a damaged journal', () => {
  it('never returns an altered record, whichever byte is flipped', async () => {
    const image = await smallImage(4);
    const [path, bytes] = segmentOf(image);
    const used = usedBytes(bytes);
    for (let at = 0; at < used + 16; at += 1) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ flip;
        const found = await tryRecover(replaced(image, path, flipped));
        // numbersIn compares each record with what was written.
        if (found instanceof JournalError) continue;
        expect(numbersIn(found)).toEqual([1, 2, 3, 4].slice(0, found.records.length));
      }
    }
  });

  it('is refused wherever a flip hits something that a later write proves durable', async () => {
    const image = await smallImage(4);
    const [path, bytes] = segmentOf(image);
    const lastMark = Buffer.from(bytes).lastIndexOf('WITANMRK') - 16;
    for (let at = 0; at < lastMark; at += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      const found = await tryRecover(replaced(image, path, flipped));
      if (!(found instanceof JournalError)) throw new Error(`byte ${at} was accepted`);
      expect(['JOURNAL_DAMAGED', 'JOURNAL_VERSION_UNKNOWN']).toContain(found.code);
      expect(found.fields['path']).toBe(path);
    }
  });

  it('is refused when a whole sector before a later write is lost', async () => {
    const image = await smallImage(12);
    const [path, bytes] = segmentOf(image);
    const lastMark = Buffer.from(bytes).lastIndexOf('WITANMRK') - 16;
    for (let at = 0; at + 512 <= lastMark; at += 512) {
      const zeroed = Uint8Array.from(bytes).fill(0, at, at + 512);
      const found = await tryRecover(replaced(image, path, zeroed));
      expect(found).toMatchObject({ code: 'JOURNAL_DAMAGED' });
    }
  });

  it('names file and offset', async () => {
    const image = await smallImage(3);
    const [path, bytes] = segmentOf(image);
    const at = Buffer.from(bytes).indexOf('WITANMRK');
    const flipped = Uint8Array.from(bytes);
    flipped[at] = 0;
    expect(await tryRecover(replaced(image, path, flipped))).toMatchObject({
      code: 'JOURNAL_DAMAGED',
      fields: { path, offset: at - 16 },
    });
  });

  it('is refused when a segment in the middle is missing, swapped or cut off', async () => {
    const fs = new CrashFs();
    const { journal } = await open(fs);
    await journal.startSegment(OWNER);
    for (let number = 1; number <= 40; number += 1) await journal.append([recordOf(number)]);
    const image = fs.image();
    expect(image.size).toBeGreaterThan(3);
    const [second, secondBytes] = segmentOf(image, 2);
    const [third, thirdBytes] = segmentOf(image, 3);
    const missing = new Map(image);
    missing.delete(second);
    const swapped = replaced(replaced(image, second, thirdBytes), third, secondBytes);
    const cutOff = secondBytes.subarray(0, usedBytes(secondBytes) - 48);
    const breaksOff = 'segment breaks off, but another one follows';
    const cases: readonly (readonly [DiskImage, object])[] = [
      [missing, { path: second, check: 'segment is missing' }],
      [swapped, {}],
      [replaced(image, second, cutOff), { path: second, check: breaksOff }],
      [replaced(image, second, new Uint8Array(0)), { path: second }],
    ];
    for (const [bad, fields] of cases) {
      expect(await tryRecover(bad)).toMatchObject({ code: 'JOURNAL_DAMAGED', fields });
    }
  });

  it('refuses a segment of another journal in its own place', async () => {
    const fs = new CrashFs();
    const { journal } = await open(fs);
    await journal.startSegment(utf8('another owner'));
    for (let number = 1; number <= 40; number += 1) await journal.append([recordOf(number)]);
    const [path] = segmentOf(fs.image(), 1);
    const [, foreign] = segmentOf(await smallImage(20), 1);
    expect(await tryRecover(replaced(fs.image(), path, foreign))).toMatchObject({
      code: 'JOURNAL_DAMAGED',
    });
  });

  it('of several segments and a snapshot never serves a change, whatever flips', async () => {
    const image = await largeImage();
    expect(await tryRecover(image)).not.toBeInstanceOf(JournalError);
    const [last] = segmentOf(image, 4);
    for (const [path, bytes] of image) {
      const used = path === last ? usedBytes(bytes) : bytes.byteLength;
      for (let at = 0; at < used; at += 1) {
        const flipped = Uint8Array.from(bytes);
        // Never the whole byte to zero, which would be a torn write.
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 7));
        const found = await tryRecover(replaced(image, path, flipped));
        if (!(found instanceof JournalError)) throw new Error(`${path}, byte ${at} was accepted`);
        if (path.endsWith('.wal')) expect(found.fields['path']).toBe(path);
      }
    }
  }, 300_000);

  it('with a write that landed in the wrong place is refused', async () => {
    const image = await largeImage();
    const intact = await tryRecover(image);
    if (intact instanceof JournalError) throw intact;
    const written = numbersIn(intact);
    const [path, bytes] = segmentOf(image, 4);
    const marks = marksOf(bytes);
    expect(marks.length).toBeGreaterThan(3);
    const ends = [...marks.slice(1), usedBytes(bytes)];
    for (const [from, start] of marks.entries()) {
      const batch = bytes.subarray(start, ends[from]);
      for (const to of [...marks, ends.at(-1) ?? 0]) {
        if (to === start) continue;
        const moved = Uint8Array.from(bytes);
        moved.set(batch.subarray(0, moved.byteLength - to), to);
        const found = await tryRecover(replaced(image, path, moved));
        if (found instanceof JournalError) expect(found.code).toBe('JOURNAL_DAMAGED');
        else expect(numbersIn(found).join()).toBe(written.join());
      }
    }
  });

  it('with a frame that checks but names another place is refused', () => {
    const fields = { sequence: 1, chain: 0, owner: OWNER, bytesPreallocated: 4096 };
    const header = writeSegmentHeader(fields);
    const offset = header.bytes.byteLength;
    const segmentWith = (named: number): Uint8Array => {
      const bytes = new Uint8Array(offset + MARK_FRAME_BYTES + 64);
      bytes.set(header.bytes);
      writeFrame(bytes, offset, 'mark', markPayload(1, named), header.chain);
      return bytes;
    };
    expect(readSegment('right', segmentWith(offset), 1).offset).toBe(offset + MARK_FRAME_BYTES);
    expect(() => readSegment('wrong', segmentWith(offset + 16), 1)).toThrow(
      expect.objectContaining({
        code: 'JOURNAL_DAMAGED',
        fields: { path: 'wrong', offset, check: 'place that the frame names' },
      }),
    );
  });

  it('refuses a segment of another run of the same owner, even one that is whole', async () => {
    const image = await largeImage();
    const other = await largeImage(1);
    for (const [path, bytes] of other) {
      if (!path.endsWith('.wal')) continue;
      expect(image.has(path)).toBe(true);
      expect(await tryRecover(replaced(image, path, bytes))).toMatchObject({
        code: 'JOURNAL_DAMAGED',
      });
    }
  });

  it('can be discarded', async () => {
    const image = await smallImage(3);
    const [path] = segmentOf(image);
    const fs = new CrashFs(replaced(image, path, utf8('rubbish')));
    await dangerDiscardJournal(DIRECTORY, fs);
    expect((await open(fs)).recovered.records).toEqual([]);
  });
});

describe('a torn tail', () => {
  it('at every length is dropped, and what is before it is kept', async () => {
    const image = await smallImage(3);
    const [path, bytes] = segmentOf(image);
    const used = usedBytes(bytes);
    const thirdBatch = Buffer.from(bytes).lastIndexOf('WITANMRK') - 16;
    for (let length = thirdBatch; length < used; length += 1) {
      const zeroed = Uint8Array.from(bytes).fill(0, length);
      for (const torn of [zeroed, bytes.subarray(0, length)]) {
        const found = await tryRecover(replaced(image, path, torn));
        if (found instanceof JournalError) throw new Error(`at ${length}`, { cause: found });
        expect(numbersIn(found)).toEqual([1, 2]);
      }
    }
  });

  it('is reported, repaired, and written behind', async () => {
    const image = await smallImage(3);
    const [path, bytes] = segmentOf(image);
    const torn = Uint8Array.from(bytes).fill(0, usedBytes(bytes) - 20);
    const fs = new CrashFs(replaced(image, path, torn));
    const { journal, recovered } = await open(fs);
    expect(recovered.findings).toMatchObject([{ kind: 'torn-tail', path }]);
    await journal.startSegment(OWNER);
    await journal.append([recordOf(3)]);
    await journal.close();
    const again = await open(fs);
    expect(numbersIn(again.recovered)).toEqual([1, 2, 3]);
    expect(again.recovered.findings).toEqual([]);
  });

  it('does not hide damage in the last write: a mere flip is refused', async () => {
    const image = await smallImage(3);
    const [path, bytes] = segmentOf(image);
    const used = usedBytes(bytes);
    for (let at = Buffer.from(bytes).lastIndexOf('WITANMRK'); at < used - 1; at += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x04;
      const found = await tryRecover(replaced(image, path, flipped));
      expect(found).toMatchObject({ code: 'JOURNAL_DAMAGED' });
    }
  });
});

describe('a damaged snapshot', () => {
  async function withSnapshot(): Promise<{ readonly fs: CrashFs; readonly before: DiskImage }> {
    const fs = new CrashFs();
    const { journal } = await open(fs);
    await journal.startSegment(OWNER);
    await journal.append([1, 2, 3].map(recordOf));
    const before = fs.image();
    const tail = [recordOf(3)];
    await journal.saveSnapshot({ index: 2, term: 7, data: utf8('state at 2'), tail });
    await journal.append([recordOf(4)]);
    return { fs, before };
  }

  it('never returns altered data, whichever byte is flipped', async () => {
    const { fs } = await withSnapshot();
    const image = fs.image();
    const path = [...image.keys()].find((name) => name.endsWith('.snap')) ?? '';
    const bytes = image.get(path) ?? new Uint8Array(0);
    for (let at = 0; at < bytes.byteLength; at += 1) {
      const flipped = Uint8Array.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 0x20;
      const found = await tryRecover(replaced(image, path, flipped));
      if (!(found instanceof JournalError)) throw new Error(`byte ${at} was accepted`);
      expect(found.fields['path']).toBe(path);
    }
    const intact = await tryRecover(image);
    if (intact instanceof JournalError) throw intact;
    expect(intact.snapshot).toMatchObject({ index: 2, term: 7, owner: OWNER });
    expect(fromUtf8(intact.snapshot?.data ?? new Uint8Array(0))).toBe('state at 2');
    expect(numbersIn(intact)).toEqual([3, 4]);
  });

  it('is passed over while everything that it replaced is still there', async () => {
    const { fs, before } = await withSnapshot();
    const image = new Map([...before, ...fs.image()]);
    const path = [...image.keys()].find((name) => name.endsWith('.snap')) ?? '';
    // The first segment as it was ended, which the crash left undeleted.
    const ended = await endedSegment(before);
    const found = await tryRecover(new Map([...image, ...ended, [path, utf8('rubbish')]]));
    if (found instanceof JournalError) throw found;
    expect(found.snapshot).toBeUndefined();
    expect(numbersIn(found)).toEqual([1, 2, 3, 4]);
    expect(found.findings).toMatchObject([{ kind: 'snapshot-skipped', path }]);
  });

  async function endedSegment(before: DiskImage): Promise<DiskImage> {
    const fs = new CrashFs(before);
    const { journal } = await open(fs);
    await journal.startSegment(OWNER);
    const [path, bytes] = segmentOf(fs.image(), 1);
    return new Map([[path, bytes]]);
  }
});
