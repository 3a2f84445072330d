/** Three replicas as processes with real journals: what was acknowledged outlives them all. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkDurability } from '../src/durability.ts';

it('finds every acknowledged write in a majority of journals after SIGKILL (I3)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'witan-durability-'));
  try {
    const { acknowledged, lost } = await checkDurability(directory, 300);
    expect(acknowledged).toBeGreaterThan(0);
    expect(lost).toEqual([]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 120_000);
