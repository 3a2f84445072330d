/**
 * Drill `rollback`: the host copies disks, lets time pass, and puts the copies back (I2, I3, I4).
 * First so that an old disk and a replica that missed everything would be a majority, if the right
 * to vote came from disks; then one slot after the other, the leader's too.
 */
import type { DrillScene } from './scene.ts';
import { sleepMs } from '../processes.ts';

const QUIET_MS = 6_000;
/** Requests that were under way when the last majority went may still be answered. */
const SETTLE_MS = 500;

export async function rollback(scene: DrillScene): Promise<void> {
  const { cluster } = scene;
  const [leader, victim = '', apart = ''] = await scene.byRole();
  const images = new Map<string, string>();
  await scene.step('copy', 'Copy every disk', async () => {
    for (const { slot } of cluster.slots) images.set(slot, await scene.image(slot));
    return { copies: images.size, acknowledged: await scene.acknowledged() };
  });
  await scene.step('acknowledge', `Cut ${apart} off; the others acknowledge more`, async () => {
    cluster.relays.get(apart)?.cut();
    await scene.more(60);
    await scene.update();
    await scene.more(30);
    return { acknowledged: await scene.acknowledged(), 'manifest generation': 2 };
  });
  await scene.step(
    'turn back',
    `${victim} gets its old disk back, ${leader} is paused`,
    async () => {
      await scene.turnBack(victim, images.get(victim) ?? '');
      await cluster.signalSlot(leader, 'SIGSTOP');
      cluster.relays.get(apart)?.heal();
      await cluster.startSlot(victim);
      return { running: `${victim} with an old disk, ${apart} with an old log` };
    },
  );
  await scene.step('silence', 'The two that are left must acknowledge nothing', async () => {
    await sleepMs(SETTLE_MS);
    const before = await scene.acknowledged();
    const endpoints = [victim, apart].map((slot) => cluster.slot(slot).address);
    const read = await scene.read(endpoints, QUIET_MS);
    const written = (await scene.acknowledged()) - before;
    const held = scene.claim(
      `an old disk and an old log acknowledge nothing, found ${written}`,
      written === 0,
    );
    const silent = scene.claim('an old disk and an old log answer no read', read === undefined);
    if (!held || !silent) scene.secondHistory = true;
    return { acknowledged: written, reads: read === undefined ? 'none answered' : 'ANSWERED' };
  });
  await scene.step('go on', `${leader} goes on; ${victim} is let in as a newcomer`, async () => {
    await cluster.signalSlot(leader, 'SIGCONT');
    await scene.whole();
    await scene.more(20);
    return { acknowledged: await scene.acknowledged() };
  });
  for (const { slot } of scene.options.short === true ? [] : cluster.slots) {
    await scene.step(`turn back ${slot}`, `${slot} gets its first disk back`, async () => {
      await scene.turnBack(slot, images.get(slot) ?? '');
      await cluster.startSlot(slot);
      await scene.whole();
      await scene.more(10);
      await scene.claimOneEach();
      return { acknowledged: await scene.acknowledged() };
    });
  }
}
