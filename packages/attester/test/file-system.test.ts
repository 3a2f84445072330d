import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodeTsmFileSystem as fs } from '../src/index.ts';

const base = mkdtempSync(join(tmpdir(), 'witan-attester-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const path = (name: string): string => join(base, name);

describe('the real file system', () => {
  it('makes and removes a directory', async () => {
    await fs.mkdir(path('item'));
    await expect(fs.mkdir(path('item'))).rejects.toMatchObject({ code: 'EEXIST' });
    await fs.rmdir(path('item'));
    expect(readdirSync(base)).not.toContain('item');
  });

  it('never creates a file: attributes belong to the kernel', async () => {
    const writing = fs.writeFile(path('new'), Uint8Array.of(1));
    await expect(writing).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('writes what it is given', async () => {
    writeFileSync(path('inblob'), '');
    await fs.writeFile(path('inblob'), Uint8Array.of(1, 2, 3));
    expect([...readFileSync(path('inblob'))]).toEqual([1, 2, 3]);
  });

  it('reads to the end, up to its limit', async () => {
    writeFileSync(path('outblob'), new Uint8Array(40_000).fill(5));
    expect(await fs.readFile(path('outblob'), 40_000)).toEqual(new Uint8Array(40_000).fill(5));
    await expect(fs.readFile(path('outblob'), 39_999)).rejects.toMatchObject({
      code: 'ATTESTER_BLOB_TOO_LARGE',
    });
  });

  it('reads and writes what cannot be sought in, as configfs cannot', async () => {
    execFileSync('mkfifo', [path('fifo')]);
    const reading = fs.readFile(path('fifo'), 100);
    await fs.writeFile(path('fifo'), new Uint8Array(64).fill(7));
    expect(await reading).toEqual(new Uint8Array(64).fill(7));
  });
});
