/** One step to the disk in place of two: the write itself returns once the data is durable. */
import { mkdtemp, readFile, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { constants as fsConstants } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nodeJournalFs } from '@witan/journal';

/** Flags of every descriptor of this process that leads to a file (proc_pid_fdinfo(5)). */
async function flagsOf(path: string): Promise<readonly number[]> {
  const flags: number[] = [];
  for (const name of await readdir('/proc/self/fd')) {
    const target = await readlink(`/proc/self/fd/${name}`).catch(() => '');
    if (target !== path) continue;
    const info = await readFile(`/proc/self/fdinfo/${name}`, 'utf8');
    flags.push(Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '0', 8));
  }
  return flags;
}

it('writes through a descriptor that syncs by itself, and closes it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'witan-durable-'));
  const path = join(directory, 'file');
  try {
    const file = await nodeJournalFs.create(path);
    await file.write(new Uint8Array(64), 0);
    await file.sync();
    await file.writeDurably?.(Uint8Array.of(1, 2, 3), 10);
    const isSyncing = (flags: number): boolean => (flags & fsConstants.O_DSYNC) !== 0;
    expect((await flagsOf(path)).filter(isSyncing)).toHaveLength(1);
    await file.close();
    expect(await flagsOf(path)).toEqual([]);
    expect([...(await readFile(path)).subarray(9, 14)]).toEqual([0, 1, 2, 3, 0]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
