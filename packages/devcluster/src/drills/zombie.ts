/**
 * Drill `zombie`: the host pauses a replica until another one has taken its place, and lets it go
 * on; then it starts a process on the disk of the one that was retired (I2, I4).
 */
import { freePorts } from '../processes.ts';
import { emptyDisk } from './clone.ts';
import type { DrillScene } from './scene.ts';

const END_MS = 30_000;
/** The exit code of a replica that a later incarnation has replaced. */
const REPLACED = 4;

export async function zombie(scene: DrillScene): Promise<void> {
  const [leader, voter = ''] = await scene.byRole();
  await zombieOf(scene, 'voter', voter);
  await zombieOf(scene, 'leader', leader);
}

async function zombieOf(scene: DrillScene, role: string, slot: string): Promise<void> {
  const { cluster } = scene;
  const { guestId } = cluster.slot(slot);
  const retired = cluster.layout.data(slot);
  const [port = 0] = await freePorts(1);
  const dataDirectory = emptyDisk(scene, `${slot}-${port}`);
  await scene.step(`${role}: replace`, `Pause ${slot} and start its successor`, async () => {
    await cluster.signalSlot(slot, 'SIGSTOP');
    cluster.relays.get(slot)?.point(port);
    await cluster.startSlot(slot, { dataDirectory, listen: `127.0.0.1:${port}` });
    await scene.whole();
    await scene.more(20);
    return { acknowledged: await scene.acknowledged() };
  });
  await scene.step(`${role}: revive`, `Let the old ${slot} go on`, async () => {
    await cluster.tee.signal(guestId, 'SIGCONT');
    const exit = await scene.ended(guestId, END_MS);
    scene.claim(`a replaced ${role} ends by itself with ${REPLACED}`, exit?.exitCode === REPLACED);
    if (exit === undefined) await cluster.tee.signal(guestId, 'SIGKILL');
    await scene.claimOneEach();
    await scene.more(10);
    return { 'exit code': exit?.exitCode ?? 'runs on' };
  });
  await scene.step(
    `${role}: old disk`,
    `Start ${slot} on the disk of the retired one`,
    async () => {
      await cluster.killSlot(slot);
      await cluster.startSlot(slot, { dataDirectory: retired, listen: `127.0.0.1:${port}` });
      await scene.whole();
      await scene.claimOneEach();
      await scene.more(10);
      return { acknowledged: await scene.acknowledged() };
    },
  );
}
