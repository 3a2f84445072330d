import { afterAll, describe, expect, it } from 'vitest';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeJournalFs } from '@witan/journal';

const scratch = mkdtempSync(join(tmpdir(), 'witan-lock-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

const SOURCE = new URL('../src/index.ts', import.meta.url).href;

/** A process that takes the lock of a directory and holds it until it is killed. */
async function holderOf(directory: string): Promise<ChildProcess> {
  const script = `
    import { nodeJournalFs } from ${JSON.stringify(SOURCE)};
    const lock = await nodeJournalFs.lock(${JSON.stringify(directory)});
    console.log(lock === undefined ? 'refused' : 'held');
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve) => {
    child.stdout.once('data', () => {
      resolve();
    });
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  child.kill('SIGKILL');
  await gone;
}

function freshDirectory(): string {
  return mkdtempSync(join(scratch, 'd-'));
}

describe('the lock file', () => {
  it('keeps a second process out until the first is dead, then is taken over', async () => {
    const directory = freshDirectory();
    const holder = await holderOf(directory);
    try {
      expect(await nodeJournalFs.lock(directory)).toBeUndefined();
    } finally {
      await kill(holder);
    }
    const lock = await nodeJournalFs.lock(directory);
    expect(lock).toBeDefined();
    expect(await nodeJournalFs.list(directory)).toEqual(['lock']);
    await lock?.release();
    expect(await nodeJournalFs.list(directory)).toEqual([]);
  });

  it('of an earlier process with the same id, as in a restarted container, is stale', async () => {
    const directory = freshDirectory();
    const path = join(directory, 'lock');
    writeFileSync(path, `${process.pid} 1 earlier-boot\n`);
    const lock = await nodeJournalFs.lock(directory);
    expect(lock).toBeDefined();
    expect(readFileSync(path, 'utf8')).toMatch(new RegExp(`^${process.pid} `));
    await lock?.release();
  });

  it('of another process that got a dead one’s id is stale', async () => {
    const directory = freshDirectory();
    writeFileSync(join(directory, 'lock'), `${process.ppid} 1 earlier-boot\n`);
    const lock = await nodeJournalFs.lock(directory);
    expect(lock).toBeDefined();
    await lock?.release();
  });

  it.each(['', 'rubbish', '-1 2 3\n', '0 0 0\n'])('with contents %j is stale', async (contents) => {
    const directory = freshDirectory();
    writeFileSync(join(directory, 'lock'), contents);
    const lock = await nodeJournalFs.lock(directory);
    expect(lock).toBeDefined();
    await lock?.release();
  });

  it('goes to one of many that want it at once', async () => {
    const directory = freshDirectory();
    writeFileSync(join(directory, 'lock'), '1 1 earlier-boot\n');
    const locks = await Promise.all([1, 2, 3, 4, 5].map(() => nodeJournalFs.lock(directory)));
    expect(locks.filter((lock) => lock !== undefined)).toHaveLength(1);
    for (const lock of locks) await lock?.release();
  });
});
