/** Files of every version are read forever, and the format does not change behind its version. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import { JOURNAL_FORMAT_VERSION, openJournal } from '@witan/journal';
import {
  CrashFs,
  FIXTURE_OWNER,
  FIXTURE_RECORDS,
  FIXTURE_SNAPSHOT,
  makeFixture,
} from '@witan/journal/testing';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const versions = readdirSync(FIXTURES).map((name) => Number(name.slice(1)));

function filesOf(version: number): ReadonlyMap<string, Uint8Array> {
  const folder = join(FIXTURES, `v${version}`);
  const names = readdirSync(folder).toSorted();
  return new Map(
    names.map((name) => [name, Uint8Array.from(readFileSync(join(folder, name)))] as const),
  );
}

describe('the format of the journal', () => {
  it('has committed files of every version up to this one', () => {
    const expected = Array.from({ length: JOURNAL_FORMAT_VERSION }, (_, at) => at + 1);
    expect(versions.toSorted((left, right) => left - right)).toEqual(expected);
  });

  it.each(versions)('version %d is read, and written behind', async (version) => {
    const files = filesOf(version);
    for (const bytes of files.values()) {
      expect(new DataView(bytes.buffer).getUint32(8)).toBe(version);
    }
    const image = new Map([...files].map(([name, bytes]) => [`/data/${name}`, bytes]));
    const fs = new CrashFs(image);
    const { journal, recovered } = await openJournal({ directory: '/data', fs });
    expect(recovered.snapshot).toMatchObject({ ...FIXTURE_SNAPSHOT, data: utf8('the state') });
    expect(recovered.records.map(({ data }) => data)).toEqual(FIXTURE_RECORDS);
    expect(recovered.records.every(({ owner }) => Buffer.from(owner).equals(FIXTURE_OWNER))).toBe(
      true,
    );
    expect(recovered.findings).toEqual([]);
    await journal.startSegment(FIXTURE_OWNER);
    await journal.append([utf8('behind')]);
    await journal.close();
    const again = await openJournal({ directory: '/data', fs });
    expect(again.recovered.records).toHaveLength(FIXTURE_RECORDS.length + 1);
  });

  it('does not change without a new version: the same workload gives the same files', async () => {
    const written = await makeFixture();
    const committed = filesOf(JOURNAL_FORMAT_VERSION);
    expect([...written.keys()].toSorted()).toEqual([...committed.keys()]);
    for (const [name, bytes] of committed) expect(written.get(name)).toEqual(bytes);
  });
});
