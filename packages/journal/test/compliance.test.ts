import { afterAll, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@witan/core';
import {
  journalExists,
  nodeJournalFs,
  openJournal,
  type JournalFs,
  type JournalSync,
} from '@witan/journal';
import { CrashFs } from '@witan/journal/testing';
import { OWNER, numberOf, recordOf } from './workload.ts';

const scratch = mkdtempSync(join(tmpdir(), 'witan-journal-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

let counter = 0;
function freshDirectory(): string {
  counter += 1;
  return join(scratch, `parent-${counter}`, 'journal');
}

async function systemCode(work: Promise<unknown>): Promise<unknown> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

const implementations: readonly (readonly [string, () => JournalFs])[] = [
  ['the real file system', (): JournalFs => nodeJournalFs],
  ['the file system that crashes', (): JournalFs => new CrashFs()],
];

describe.each(implementations)('%s', (_name, make) => {
  it('reads back what was written, also after a rename', async () => {
    const fs = make();
    const directory = freshDirectory();
    await fs.makeDirectory(directory);
    await fs.makeDirectory(directory);
    const file = await fs.create(join(directory, 'a'));
    await file.write(utf8('hello world'), 0);
    await file.write(utf8('HE'), 0);
    await file.write(utf8('!'), 20);
    await file.sync();
    await fs.rename(join(directory, 'a'), join(directory, 'b'));
    await fs.syncDirectory(directory);
    expect(await fs.list(directory)).toEqual(['b']);
    const expected = utf8('HEllo world\0\0\0\0\0\0\0\0\0!');
    expect(await fs.read(join(directory, 'b'), 21)).toEqual(expected);
    expect(await fs.read(join(directory, 'b'), 20)).toBeUndefined();
    await file.truncate(5);
    await file.close();
    expect(await fs.read(join(directory, 'b'), 21)).toEqual(utf8('HEllo'));
  });

  it('empties a file that is created again, and opens one without emptying it', async () => {
    const fs = make();
    const directory = freshDirectory();
    await fs.makeDirectory(directory);
    const first = await fs.create(join(directory, 'a'));
    await first.write(utf8('one'), 0);
    await first.close();
    const second = await fs.open(join(directory, 'a'));
    await second.write(utf8('O'), 0);
    await second.close();
    expect(await fs.read(join(directory, 'a'), 9)).toEqual(utf8('One'));
    await (await fs.create(join(directory, 'a'))).close();
    expect(await fs.read(join(directory, 'a'), 9)).toEqual(utf8(''));
    await fs.remove(join(directory, 'a'));
    await fs.remove(join(directory, 'a'));
    expect(await fs.list(directory)).toEqual([]);
  });

  it('reports what is missing by the code ENOENT', async () => {
    const fs = make();
    const missing = freshDirectory();
    expect(await systemCode(fs.list(missing))).toBe('ENOENT');
    expect(await systemCode(fs.read(join(missing, 'a'), 1))).toBe('ENOENT');
    expect(await systemCode(fs.open(join(missing, 'a')))).toBe('ENOENT');
    expect(await systemCode(fs.rename(join(missing, 'a'), join(missing, 'b')))).toBe('ENOENT');
  });

  it('gives a lock to one holder at a time', async () => {
    const fs = make();
    const directory = freshDirectory();
    await fs.makeDirectory(directory);
    const lock = await fs.lock(directory);
    expect(lock).toBeDefined();
    expect(await fs.lock(directory)).toBeUndefined();
    await lock?.release();
    const again = await fs.lock(directory);
    expect(again).toBeDefined();
    await again?.release();
  });

  it('carries a journal through appends, segments, a snapshot and two restarts', async () => {
    const options = { directory: freshDirectory(), fs: make(), segmentBytesMax: 4096 };
    expect(await journalExists(options.directory, options.fs)).toBe(false);
    const first = await openJournal(options);
    expect(await journalExists(options.directory, options.fs)).toBe(false);
    await first.journal.startSegment(OWNER);
    for (let number = 1; number <= 30; number += 1) {
      await first.journal.append([recordOf(number)]);
    }
    await first.journal.close();
    expect(await journalExists(options.directory, options.fs)).toBe(true);

    const second = await openJournal(options);
    expect(second.recovered.records.map(({ data }) => numberOf(data))).toHaveLength(30);
    const owner = utf8('the next incarnation');
    await second.journal.startSegment(owner);
    await second.journal.append([recordOf(31)]);
    const tail = [recordOf(30), recordOf(31)];
    const saved = second.journal.saveSnapshot({ index: 29, term: 4, data: utf8('s29'), tail });
    await second.journal.append([recordOf(32)]);
    await saved;
    await second.journal.close();

    const third = await openJournal(options);
    expect(third.recovered.snapshot).toMatchObject({ index: 29, term: 4, owner });
    expect(third.recovered.records.map(({ data }) => numberOf(data))).toEqual([30, 31, 32]);
    expect(third.recovered.findings).toEqual([]);
    await third.journal.close();
    const names = await options.fs.list(options.directory);
    expect(names.filter((name) => name !== 'lock')).toHaveLength(2);
  });

  it('shares one sync among appends that arrive together', async () => {
    const syncs: JournalSync[] = [];
    const { journal } = await openJournal({
      directory: freshDirectory(),
      fs: make(),
      segmentBytesMax: 65_536,
      onSync: (sync) => syncs.push(sync),
    });
    await journal.startSegment(OWNER);
    await Promise.all(Array.from({ length: 50 }, (_, i) => journal.append([recordOf(i)])));
    expect(syncs.length).toBeLessThanOrEqual(2);
    expect(syncs.reduce((sum, sync) => sum + sync.records, 0)).toBe(50);
    await journal.close();
  });

  it('refuses to open a journal twice', async () => {
    const options = { directory: freshDirectory(), fs: make() };
    const { journal } = await openJournal(options);
    await expect(openJournal(options)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' });
    await journal.close();
    await (await openJournal(options)).journal.close();
  });
});

describe('files on the real file system', () => {
  it('are readable by their owner alone', async () => {
    const directory = freshDirectory();
    const { journal } = await openJournal({ directory, segmentBytesMax: 4096 });
    await journal.startSegment(OWNER);
    await journal.append([recordOf(1)]);
    await journal.saveSnapshot({ index: 1, term: 1, data: utf8('s'), tail: [] });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of await nodeJournalFs.list(directory)) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    }
    await journal.close();
  });

  it('give a typed error where the directory cannot be', async () => {
    const file = join(scratch, 'file');
    writeFileSync(file, '');
    for (const directory of [file, join(file, 'below'), '/proc/witan/journal']) {
      await expect(openJournal({ directory })).rejects.toMatchObject({
        code: 'JOURNAL_DIRECTORY_UNREADABLE',
      });
    }
  });
});
