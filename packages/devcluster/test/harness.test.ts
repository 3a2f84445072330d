/** The harness says what it waited for, and what it saw instead. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clientOf, upCluster, waitForStatuses } from '@witan/devcluster';

it('gives DEVCLUSTER_STEP_FAILED, and stops when interrupted', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'witan-harness-'));
  const cluster = await upCluster({ directory, slotCount: 1, exitWithParent: true });
  try {
    const never = waitForStatuses(cluster, 'the moon', () => false, 300);
    await expect(never).rejects.toMatchObject({
      code: 'DEVCLUSTER_STEP_FAILED',
      fields: { expected: 'the moon' },
    });
    const stop = new AbortController();
    stop.abort();
    const interrupted = waitForStatuses(cluster, 'x', () => false, 300, stop.signal);
    await expect(interrupted).rejects.toMatchObject({ code: 'DEVCLUSTER_INTERRUPTED' });
    const client = await clientOf(cluster);
    expect((await client.getStatus()).length).toBe(1);
    client.close();
  } finally {
    await cluster.shutdown();
    await rm(directory, { recursive: true, force: true });
  }
}, 60_000);
