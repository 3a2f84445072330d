/**
 * A host that plays with processes and the network: zombies, clones and cuts (I2, I3, I5). Each
 * slot is behind a relay of this test, which is the network.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ReplicaStatus } from '@witan/client';
import {
  allServe,
  clientOf,
  freePorts,
  startLoad,
  statusesOf,
  waitForStatuses,
} from '@witan/devcluster';
import { countLost, useDeployment } from '../support/deployment.ts';

const test = useDeployment({ relays: true });

async function slotOf(role: 'leader' | 'voter'): Promise<string> {
  const { cluster } = test.current;
  const statuses = await waitForStatuses(cluster, 'all slots vote', (all) =>
    allServe(cluster, all),
  );
  return statuses.find((status) => status.role === role)?.slot ?? '';
}

/** Starts a second process for a slot, and lets the slot's address lead to it. */
async function startClone(slot: string): Promise<string> {
  const { cluster } = test.current;
  const [port = 0] = await freePorts(1);
  cluster.relays.get(slot)?.point(port);
  const clone = await cluster.startSlot(slot, {
    dataDirectory: join(test.directory, `clone-${port}`),
    listen: `127.0.0.1:${port}`,
  });
  return clone.guestId;
}

function clonesRefused(statuses: readonly ReplicaStatus[]): number {
  return statuses.reduce((sum, { counters }) => sum + (counters['clones_refused'] ?? 0), 0);
}

describe('a lying host', () => {
  it.each(['voter', 'leader'] as const)(
    'cannot bring a paused %s back after it was replaced: the zombie stops for good (I2)',
    async (role) => {
      const { current } = test;
      const { cluster } = current;
      const load = await startLoad(cluster, await current.initdata('orders'), {
        workload: 'orders',
        channel: 'kept',
        concurrency: 2,
        durationMs: 120_000,
      });
      await load.reach(10);
      const slot = await slotOf(role);
      const zombie = cluster.slot(slot).guestId;
      await cluster.signalSlot(slot, 'SIGSTOP');
      await startClone(slot);
      await waitForStatuses(cluster, 'the successor votes', (all) => allServe(cluster, all));
      await cluster.tee.signal(zombie, 'SIGCONT');
      const exit = await cluster.tee.wait(zombie);
      expect(exit.exitCode).toBe(4);
      const acknowledged = await load.stop();
      expect(await countLost(test.current, acknowledged)).toBe(0);
    },
  );

  it('cannot displace a live replica by a clone (I2)', async () => {
    const { cluster } = test.current;
    const slot = await slotOf('voter');
    const earlier = await statusesOf(cluster);
    const before = earlier.find((status) => status.slot === slot);
    // The clone calls the others, while the slot's address still leads to the original.
    const [port = 0] = await freePorts(1);
    const original = cluster.slot(slot);
    const clone = await cluster.tee.launch({
      program: 'coordinator',
      initdata: await coordinatorInitdata(),
      chip: 'chip-clone',
      env: {
        WITAN_SLOT: slot,
        WITAN_LISTEN: `127.0.0.1:${port}`,
        WITAN_PEERS: cluster.slots.map((item) => `${item.slot}=${item.address}`).join(','),
        WITAN_DATA: join(test.directory, 'clone'),
      },
    });
    const all = await waitForStatuses(cluster, 'the clone is refused', (statuses) => {
      return clonesRefused(statuses) > clonesRefused(earlier);
    });
    const after = all.find((status) => status.slot === slot);
    expect(after?.incarnation).toBe(before?.incarnation);
    expect(after?.members).toHaveLength(3);
    await cluster.tee.signal(clone.guestId, 'SIGKILL');
    expect(cluster.slot(slot).guestId).toBe(original.guestId);
  });

  it('gets no answer from a replica that it has cut off, and none that is old (I5)', async () => {
    const { cluster } = test.current;
    const leader = await slotOf('leader');
    for (const [slot, relay] of cluster.relays) if (slot !== leader) relay.cut();
    // The old leader answers on its own port, but cannot confirm that it still leads.
    const { listen } = cluster.slot(leader);
    const client = await clientOf(cluster, [listen], 8_000);
    await expect(client.getDeployment()).rejects.toMatchObject({ code: 'CLIENT_UNREACHABLE' });
    // Its status says what a quorum confirmed to it last, and that none does so now (I6).
    const [status] = await client.getStatus();
    expect(status).toMatchObject({ kind: 'ok', status: { mark: { confirmed: false } } });
    client.close();
    for (const relay of cluster.relays.values()) relay.heal();
    await waitForStatuses(cluster, 'all slots vote', (all) => allServe(cluster, all));
  });
});

async function coordinatorInitdata(): Promise<Uint8Array> {
  return new Uint8Array(await readFile(test.current.cluster.layout.initdata));
}
