/**
 * Real processes under load: whoever is killed, restarted, or shown an old or empty disk, nothing
 * that was acknowledged is lost (I3), and every restart is a new incarnation (I2).
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  allServe,
  interruptionMs,
  startLoad,
  statusesOf,
  waitForStatuses,
  type Load,
} from '@witan/devcluster';
import { countLost, useDeployment } from '../support/deployment.ts';

const test = useDeployment();

async function load(): Promise<Load> {
  const { current } = test;
  const { cluster } = current;
  const running = await startLoad(cluster, await current.initdata('orders'), {
    workload: 'orders',
    channel: 'kept',
    concurrency: 4,
    durationMs: 120_000,
  });
  await running.reach(20);
  return running;
}

async function slotOf(role: 'leader' | 'voter'): Promise<string> {
  const statuses = await waitForStatuses(test.current.cluster, `a ${role}`, (all) =>
    all.some((status) => status.role === role),
  );
  return statuses.find((status) => status.role === role)?.slot ?? '';
}

async function whole(): Promise<void> {
  const { cluster } = test.current;
  await waitForStatuses(cluster, 'all slots vote', (all) => allServe(cluster, all));
}

describe('under load', () => {
  it.each(['leader', 'voter'] as const)(
    'loses nothing acknowledged when the %s is killed, and lets its successor in (I2, I3)',
    async (role) => {
      const { cluster } = test.current;
      const running = await load();
      const slot = await slotOf(role);
      const before = (await statusesOf(cluster)).find((status) => status.slot === slot);
      const killedMs = performance.timeOrigin + performance.now();
      await cluster.killSlot(slot);
      await running.reach((await running.acknowledged()).length + 30);
      await cluster.startSlot(slot);
      await whole();
      const acknowledged = await running.stop();
      expect(await countLost(test.current, acknowledged)).toBe(0);
      expect(interruptionMs(acknowledged, killedMs)).toBeLessThan(10_000);
      const after = (await statusesOf(cluster)).find((status) => status.slot === slot);
      expect(after?.incarnation).not.toBe(before?.incarnation);
      expect(after?.members).toHaveLength(3);
      // What its disk held is confirmed and used again; nothing of it comes from the leader.
      expect(after?.counters['reused_index']).toBeGreaterThan(20);
      expect(after?.counters['snapshot_bytes_received']).toBe(0);
    },
  );

  it('serves on while every replica is restarted in turn', async () => {
    const { cluster } = test.current;
    const running = await load();
    for (const { slot } of cluster.slots) {
      await cluster.killSlot(slot);
      await cluster.startSlot(slot);
      await whole();
      await running.reach((await running.acknowledged()).length + 10);
    }
    const acknowledged = await running.stop();
    expect(await countLost(test.current, acknowledged)).toBe(0);
  });

  it.each(['deleted', 'older'] as const)(
    'takes no notice of a disk that was %s (I2, I4)',
    async (kind) => {
      const { cluster } = test.current;
      const slot = await slotOf('voter');
      const data = cluster.layout.data(slot);
      const copy = join(test.directory, `old-${kind}`);
      await cp(data, copy, { recursive: true });
      const running = await load();
      await running.reach((await running.acknowledged()).length + 40);
      await cluster.killSlot(slot);
      await rm(data, { recursive: true });
      if (kind === 'older') await cp(copy, data, { recursive: true });
      await cluster.startSlot(slot);
      await whole();
      const acknowledged = await running.stop();
      expect(await countLost(test.current, acknowledged)).toBe(0);
      const statuses = await statusesOf(cluster);
      expect(statuses.map(({ generation }) => generation)).toEqual([1, 1, 1]);
      const counters = statuses.find((status) => status.slot === slot)?.counters;
      if (kind === 'older') expect(counters?.['reused_index']).toBeGreaterThan(0);
      else expect(counters).toMatchObject({ reused_index: 0 });
      expect(counters?.['snapshot_bytes_received'] === 0).toBe(kind === 'older');
    },
  );
});
