/**
 * More or fewer slots for a development cluster. This is the host's part: addresses, directories
 * and a measured configuration that lists the slots. Who becomes a member is for owners to say,
 * with `witan set` and `witan cluster scale`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import type { DevCluster } from './cluster.ts';
import type { SlotState } from './layout.ts';
import { freePorts } from './processes.ts';
import {
  acceptedTees,
  configured,
  coordinatorValuesOf,
  foundingTee,
  type Tee,
} from './reference-values.ts';

interface Initdata {
  readonly slots: readonly string[];
  readonly peers?: readonly object[];
}

interface ReferenceValuesDocument {
  readonly coordinators: readonly object[];
  readonly coordinatorEndpoints: readonly string[];
}

/**
 * Adds slots behind the others, or drops the last ones and ends their processes. Where slots are
 * added, Coordinators that start from now on are measured with the longer list, and may join a
 * cluster of those that run.
 *
 * @param count of all slots
 */
export async function resizeCluster(cluster: DevCluster, count: number): Promise<void> {
  const { slots } = cluster;
  if (count > slots.length) return grow(cluster, count);
  for (const { guestId } of slots.slice(count)) {
    await cluster.tee.signal(guestId, 'SIGTERM').catch(() => undefined);
  }
  await cluster.setSlots(slots.slice(0, count));
  await rewrite(cluster.layout.referenceValues, (document: ReferenceValuesDocument) => ({
    ...document,
    coordinatorEndpoints: cluster.endpoints,
  }));
  return undefined;
}

async function grow(cluster: DevCluster, count: number): Promise<void> {
  const { layout, teeChoice, slots } = cluster;
  const ports = await freePorts(count - slots.length);
  const tee: Tee = foundingTee(teeChoice);
  const added = ports.map((port, index): SlotState => {
    const address = `127.0.0.1:${port}`;
    const slot = `witan-${slots.length + index}`;
    return { slot, address, listen: address, tee, guestId: '', pid: 0 };
  });
  await cluster.setSlots([...slots, ...added]);
  const values = await coordinatorValuesOf(cluster.tee, teeChoice, cluster.coordinator);
  const tees = acceptedTees(teeChoice);
  const before = configured(values, tees, await readFile(layout.initdata, 'utf8'));
  await rewrite(layout.initdata, (document: Initdata) => ({
    ...document,
    slots: cluster.slots.map(({ slot }) => slot),
    peers: [...(document.peers ?? []), ...before],
  }));
  const after = configured(values, tees, await readFile(layout.initdata, 'utf8'));
  await rewrite(layout.referenceValues, (document: ReferenceValuesDocument) => ({
    ...document,
    coordinators: [...document.coordinators, ...after],
    coordinatorEndpoints: cluster.endpoints,
  }));
}

async function rewrite<Document>(
  file: string,
  change: (document: Document) => object,
): Promise<void> {
  const document = JSON.parse(await readFile(file, 'utf8')) as Document;
  await writeFile(file, `${JSON.stringify(change(document), null, 2)}\n`, { mode: 0o600 });
}
