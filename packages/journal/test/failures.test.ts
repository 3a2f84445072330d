import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import { JournalError, openJournal, type JournalErrorCode } from '@witan/journal';
import { CrashFs } from '@witan/journal/testing';
import { DIRECTORY, OWNER, newLedger, numberOf, open, recordOf, runWorkload } from './workload.ts';

async function codeOf(work: Promise<unknown>): Promise<JournalErrorCode | undefined> {
  try {
    await work;
  } catch (error) {
    if (error instanceof JournalError) return error.code;
    throw error;
  }
  return undefined;
}

describe('a failing disk', () => {
  it('that does not confirm a sync makes the journal unusable, once and for all', async () => {
    const healthy = new CrashFs();
    const { journal: probe } = await open(healthy);
    await probe.startSegment(OWNER);
    await probe.append([recordOf(1)]);
    const fault = { kind: 'fail', step: healthy.steps + 1, systemCode: 'EIO' } as const;
    const fs = new CrashFs(new Map(), { fault });
    const fatal: JournalError[] = [];
    const onFatal = (error: JournalError): unknown => fatal.push(error);
    const { journal } = await openJournal({
      directory: DIRECTORY,
      fs,
      segmentBytesMax: 4096,
      onFatal,
    });
    await journal.startSegment(OWNER);
    await journal.append([recordOf(1)]);
    const shared = [journal.append([recordOf(2)]), journal.append([recordOf(3)])];
    const later = journal.append([recordOf(4)]);
    for (const append of [...shared, later])
      expect(await codeOf(append)).toBe('JOURNAL_SYNC_FAILED');
    expect(await codeOf(journal.append([recordOf(5)]))).toBe('JOURNAL_SYNC_FAILED');
    expect(await codeOf(journal.startSegment(OWNER))).toBe('JOURNAL_SYNC_FAILED');
    expect(fatal.map((error) => error.code)).toEqual(['JOURNAL_SYNC_FAILED']);
    expect(fatal[0]?.fields).toMatchObject({ systemCode: 'EIO' });
    await journal.close();
  });

  it('at any step ends in a typed error, and a restart keeps what was acknowledged', async () => {
    const whole = new CrashFs();
    await runWorkload(whole, newLedger(), 80);
    const seen = new Set<string>();
    for (let step = 0; step < whole.steps; step += 1) {
      const fs = new CrashFs(new Map(), { fault: { kind: 'fail', step, systemCode: 'EIO' } });
      const ledger = newLedger();
      const code = await codeOf(runWorkload(fs, ledger, 80));
      if (code !== undefined) seen.add(code);
      const { recovered } = await open(new CrashFs(fs.imageAfterCrash(() => false)));
      const last = recovered.records.at(-1);
      const reached = last === undefined ? (recovered.snapshot?.index ?? 0) : numberOf(last.data);
      expect(reached).toBeGreaterThanOrEqual(ledger.acknowledged);
    }
    expect([...seen].toSorted()).toEqual(['JOURNAL_SYNC_FAILED', 'JOURNAL_WRITE_FAILED']);
  });

  it('that is full has a code of its own', async () => {
    const fs = new CrashFs(new Map(), { capacityBytes: 9000 });
    const { journal } = await open(fs);
    await journal.startSegment(OWNER);
    const fill = async (): Promise<void> => {
      for (let number = 1; number < 100; number += 1) await journal.append([recordOf(number)]);
    };
    expect(await codeOf(fill())).toBe('JOURNAL_DISK_FULL');
  });

  it('that is too full for a snapshot costs the snapshot alone', async () => {
    const fs = new CrashFs(new Map(), { capacityBytes: 20_000 });
    const { journal } = await open(fs);
    await journal.startSegment(OWNER);
    await journal.append([recordOf(1)]);
    const large = { index: 1, term: 1, data: new Uint8Array(30_000).fill(1), tail: [] };
    expect(await codeOf(journal.saveSnapshot(large))).toBe('JOURNAL_DISK_FULL');
    await journal.append([recordOf(2)]);
    const small = { index: 2, term: 1, data: utf8('small'), tail: [] };
    await journal.saveSnapshot(small);
    await journal.close();
    const { recovered } = await open(fs);
    expect(recovered.snapshot?.index).toBe(2);
    expect(recovered.records).toEqual([]);
    expect([...fs.image().keys()].filter((path) => path.endsWith('.tmp'))).toEqual([]);
  });

  it('that cannot be listed is named', async () => {
    const fs = new CrashFs();
    const list = (): Promise<never> =>
      Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' }));
    const opened = openJournal({ directory: DIRECTORY, fs: Object.assign(fs, { list }) });
    const error: unknown = await opened.catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'JOURNAL_DIRECTORY_UNREADABLE',
      fields: { path: DIRECTORY, systemCode: 'EACCES' },
    });
  });
});

describe('limits (I10)', () => {
  it('refuse records, owners and options of impossible sizes', async () => {
    const fs = new CrashFs();
    const { journal } = await open(fs);
    expect(await codeOf(journal.append([recordOf(1)]))).toBe('JOURNAL_NOT_STARTED');
    expect(await codeOf(journal.startSegment(new Uint8Array(1025)))).toBe('JOURNAL_VALUE_SIZE');
    await journal.startSegment(OWNER);
    expect(await codeOf(journal.append([new Uint8Array(0)]))).toBe('JOURNAL_VALUE_SIZE');
    await journal.close();
    expect(await codeOf(journal.append([recordOf(1)]))).toBe('JOURNAL_CLOSED');
    expect(await codeOf(open(fs, 100))).toBe('JOURNAL_VALUE_SIZE');
  });

  it('refuse to hold more in memory than the backlog allows', async () => {
    const options = { directory: DIRECTORY, fs: new CrashFs(), backlogBytesMax: 3000 };
    const { journal } = await openJournal({ ...options, segmentBytesMax: 4096 });
    await journal.startSegment(OWNER);
    const first = journal.append([new Uint8Array(2000).fill(1)]);
    const second = journal.append([new Uint8Array(2000).fill(2)]);
    expect(await codeOf(second)).toBe('JOURNAL_BACKLOG_FULL');
    await first;
    expect(await codeOf(journal.append([new Uint8Array(2000).fill(3)]))).toBeUndefined();
  });

  it('refuse to read more than the recovery allows', async () => {
    const fs = new CrashFs();
    await runWorkload(fs, newLedger(), 50);
    const options = { directory: DIRECTORY, fs, recoveredBytesMax: 5000 };
    expect(await codeOf(openJournal(options))).toBe('JOURNAL_RECOVERY_TOO_LARGE');
  });

  it('take a batch that is larger than a segment', async () => {
    const fs = new CrashFs();
    const { journal } = await open(fs);
    await journal.startSegment(OWNER);
    const large = new Uint8Array(50_000).fill(7);
    await journal.append([large, recordOf(1)]);
    await journal.append([recordOf(2)]);
    await journal.close();
    const { recovered } = await open(fs);
    expect(recovered.records.map((record) => record.data.byteLength)).toEqual([
      50_000,
      recordOf(1).byteLength,
      recordOf(2).byteLength,
    ]);
  });
});
