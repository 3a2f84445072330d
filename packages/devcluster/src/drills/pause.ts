/**
 * Drill `pause`: the host stops the leader past an election and lets it go on, with reads and
 * writes waiting at its door (I5): none may be answered with a state from before.
 */
import { CodedError } from '@witan/core';
import { clientOf, statusesOf } from '../harness.ts';
import type { DrillScene } from './scene.ts';

const ROUNDS = 3;
const READS = 20;
const READ_MS = 30_000;

export async function pause(scene: DrillScene): Promise<void> {
  for (let round = 1; round <= ROUNDS; round += 1) await pauseOnce(scene, round);
}

async function pauseOnce(scene: DrillScene, round: number): Promise<void> {
  const { cluster } = scene;
  const [leader] = await scene.byRole();
  const { listen } = cluster.slot(leader);
  const clients = await Promise.all(
    Array.from({ length: READS }, () => clientOf(cluster, [listen], READ_MS)),
  );
  let floor = 0;
  let waiting: Promise<readonly (number | undefined)[]> = Promise.resolve([]);
  try {
    await scene.step(`pause ${round}`, `Stop ${leader} with connections open`, async () => {
      // Each has a connection of its own by now, that lives on while the process does not.
      await Promise.all(clients.map((client) => client.getDeployment()));
      await cluster.signalSlot(leader, 'SIGSTOP');
      await scene.more(30);
      if (round === 1) await scene.update();
      floor = (await scene.read(others(scene, leader), READ_MS)) ?? 0;
      const all = await statusesOf(cluster);
      const now = all.find(({ role }) => role === 'leader')?.slot ?? 'nobody';
      scene.claim('another replica leads meanwhile', now !== leader && now !== 'nobody');
      return { 'leads now': now, 'commit index': floor };
    });
    await scene.step(
      `resume ${round}`,
      `Ask ${leader} ${READS} times, then let it go on`,
      async () => {
        waiting = Promise.all(
          clients.map(async (client) => {
            try {
              const answer = await client.getDeployment();
              return answer.kind === 'settled' ? answer.mark.commitIndex : 0;
            } catch (error) {
              // A client that refuses an answer below its floor was shown a stale one.
              if (error instanceof CodedError) {
                return error.code === 'CLIENT_BELOW_FLOOR' ? 0 : undefined;
              }
              throw error;
            }
          }),
        );
        await cluster.signalSlot(leader, 'SIGCONT');
        const answers = (await waiting).filter((index) => index !== undefined);
        const stale = answers.filter((index) => index < floor);
        scene.claim(`no read is answered from before index ${floor}`, stale.length === 0);
        await scene.whole();
        await scene.more(10);
        return { answered: answers.length, stale: stale.length };
      },
    );
  } finally {
    for (const client of clients) client.close();
    await waiting.catch(() => undefined);
  }
}

function others(scene: DrillScene, slot: string): readonly string[] {
  return scene.cluster.slots.filter((item) => item.slot !== slot).map(({ address }) => address);
}
