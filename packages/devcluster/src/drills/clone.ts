/**
 * Drill `clone`: the host runs the same measured code a second time for a slot whose replica lives
 * (I2): on the very same disk, on a copy of it, and with the slot's name leading to the copy.
 */
import { join } from 'node:path';
import { freePorts, sleepMs } from '../processes.ts';
import { statusesOf } from '../harness.ts';
import type { DrillScene } from './scene.ts';

const WATCH_MS = 4_000;
const REFUSED_MS = 15_000;
const REFUSAL = 'SLOT_HELD_BY_LIVE_INCARNATION';

export async function clone(scene: DrillScene): Promise<void> {
  const [leader, voter = ''] = await scene.byRole();
  for (const [role, slot] of [
    ['voter', voter],
    ['leader', leader],
  ] as const) {
    await cloneOf(scene, role, slot);
  }
}

async function cloneOf(scene: DrillScene, role: string, slot: string): Promise<void> {
  const { cluster } = scene;
  const [port = 0] = await freePorts(1);
  const listen = `127.0.0.1:${port}`;
  const original = await incarnationOf(scene, slot);
  await scene.step(`${role}: same disk`, `Start ${slot} twice on one disk`, async () => {
    const data = cluster.layout.data(slot);
    const guestId = await scene.launch(`twin-${slot}`, { slot, listen, data });
    const exit = await scene.ended(guestId, REFUSED_MS);
    if (exit === undefined) await cluster.tee.signal(guestId, 'SIGKILL');
    scene.claim('a second process for a disk ends', exit !== undefined && exit.exitCode !== 0);
    return { 'exit code': exit?.exitCode ?? 'runs' };
  });
  let guestId = '';
  await scene.step(
    `${role}: copied disk`,
    `Start ${slot} again on a copy of its disk`,
    async () => {
      const data = await scene.image(slot);
      guestId = await scene.launch(`clone-${slot}`, { slot, listen, data });
      const before = await scene.acknowledged();
      await sleepMs(WATCH_MS);
      const now = await incarnationOf(scene, slot);
      scene.claim('a live incarnation is not displaced', now === original);
      await scene.claimOneEach();
      const answered = await scene.read([listen], 3_000);
      scene.claim('a clone that was not let in answers no read', answered === undefined);
      const refused = await scene.watch.count(REFUSAL);
      scene.claim('the clone asks to be let in, and is refused', refused > 0);
      return { displaced: now !== original, acknowledged: (await scene.acknowledged()) - before };
    },
  );
  await scene.step(`${role}: name`, `Let the name of ${slot} lead to the clone`, async () => {
    cluster.relays.get(slot)?.point(port);
    const before = await scene.acknowledged();
    await sleepMs(WATCH_MS);
    await scene.more(10);
    await scene.claimOneEach();
    return { acknowledged: (await scene.acknowledged()) - before };
  });
  await scene.step(`${role}: end`, 'End the clone; the name leads back', async () => {
    // It may have noticed by itself that it is one too many.
    await cluster.tee.signal(guestId, 'SIGKILL').catch(() => undefined);
    cluster.relays.get(slot)?.point(portOf(cluster.slot(slot).listen));
    await restoreIfReplaced(scene, slot);
    await scene.whole();
    await scene.more(10);
    return { acknowledged: await scene.acknowledged() };
  });
}

/** Where the clone took the place of an original that nobody heard any more, that one has ended. */
async function restoreIfReplaced(scene: DrillScene, slot: string): Promise<void> {
  const { cluster } = scene;
  const ended = await scene.ended(cluster.slot(slot).guestId, 3_000);
  if (ended !== undefined) await cluster.startSlot(slot);
}

async function incarnationOf(scene: DrillScene, slot: string): Promise<string> {
  const all = await statusesOf(scene.cluster);
  return all.find((status) => status.slot === slot)?.incarnation ?? '';
}

/** The port of host:port. */
export function portOf(address: string): number {
  return Number(address.split(':').at(-1));
}

/** A directory for something that has no disk yet. */
export function emptyDisk(scene: DrillScene, name: string): string {
  return join(scene.options.directory, 'copies', `empty-${name}`);
}
