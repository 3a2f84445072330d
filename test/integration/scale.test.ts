/**
 * More and fewer replicas, under load: owners approve the slots, newcomers fill them by ordinary
 * joins, members of removed ones leave one by one (I2), and nothing acknowledged is lost (I3).
 */
import { expect, it } from 'vitest';
import {
  readReferenceValues,
  resizeCluster,
  startLoad,
  statusesOf,
  waitForStatuses,
} from '@witan/devcluster';
import { countLost, listCoordinators, runWitan, useDeployment } from '../support/deployment.ts';

const test = useDeployment({ slotCount: 1 });

async function cluster(...argv: readonly string[]) {
  const { options, ownerKeyFile, cluster: dev } = test.current;
  const [, , ...rest] = options;
  const keys = ['scale', 'remove'].includes(argv[0] ?? '') ? ['--owner-key', ownerKeyFile] : [];
  const where = ['--endpoint', dev.endpoints.join(','), ...rest];
  const ran = await runWitan('cluster', ...argv, ...keys, ...where, '--json');
  return { ...ran, json: JSON.parse(ran.stdout) as Record<string, unknown> };
}

async function votersAre(slots: readonly string[]): Promise<void> {
  const expected = slots.toSorted().join();
  await waitForStatuses(test.current.cluster, `voters ${expected}`, (all) =>
    all.some(({ role, members }) => {
      const voters = members.filter(({ voter }) => voter).map(({ slot }) => slot);
      return role === 'leader' && voters.toSorted().join() === expected;
    }),
  );
}

it('grows from one to five and shrinks to three, and loses nothing (I2, I3)', async () => {
  const { current } = test;
  const { cluster: dev } = current;
  await resizeCluster(dev, 5);
  const { coordinators } = await readReferenceValues(dev);
  expect(coordinators).toHaveLength(2);
  const running = await startLoad(dev, await current.initdata('orders'), {
    workload: 'orders',
    channel: 'kept',
    concurrency: 2,
    durationMs: 120_000,
  });
  await running.reach(5);
  const goesOn = async (): Promise<void> => {
    await running.reach((await running.acknowledged()).length + 10);
  };

  // Nobody joins a slot that owners have not approved, nor with a measurement that they have not.
  await dev.startSlot('witan-1');
  await listCoordinators(current, coordinators);
  await waitForStatuses(dev, 'a refusal', (all) =>
    all.some(({ counters }) => (counters['foreign_slots_refused'] ?? 0) > 0),
  );
  await votersAre(['witan-0']);

  expect(await cluster('scale', '4')).toMatchObject({ code: 2 });
  const three = await cluster('scale', '3', '--wait', '1');
  expect(three).toMatchObject({ code: 1, json: { number: 1, added: ['witan-1', 'witan-2'] } });
  expect(three.stderr).toContain('CLI_SLOTS_PENDING');
  await dev.startSlot('witan-2');
  await votersAre(['witan-0', 'witan-1', 'witan-2']);
  await goesOn();

  expect(await cluster('scale', '5')).toMatchObject({ code: 0, json: { number: 2 } });
  await dev.startSlot('witan-3');
  await dev.startSlot('witan-4');
  const five = ['witan-0', 'witan-1', 'witan-2', 'witan-3', 'witan-4'];
  await votersAre(five);
  expect(await cluster('scale', '5', '--wait', '20')).toMatchObject({
    code: 0,
    json: { ok: true, unchanged: true, slots: five },
  });
  await goesOn();

  // The leader and one more leave: it steps down before it is taken out.
  const leader = (await statusesOf(dev)).find(({ role }) => role === 'leader')?.slot ?? '';
  const other = five.find((slot) => slot !== leader && slot !== 'witan-0') ?? '';
  expect(await cluster('remove', leader)).toMatchObject({ code: 2 });
  expect(await cluster('remove', leader, 'witan-7')).toMatchObject({
    code: 2,
    json: { error: { code: 'CLI_SLOT_UNKNOWN' } },
  });
  const removed = await cluster('remove', leader, other, '--wait', '30');
  expect(removed, removed.stderr).toMatchObject({ code: 0, json: { ok: true, number: 3 } });
  await votersAre(five.filter((slot) => slot !== leader && slot !== other));
  await goesOn();

  const acknowledged = await running.stop();
  expect(await countLost(current, acknowledged)).toBe(0);
  const { json } = await cluster('members');
  expect(json).toMatchObject({ vacant: [], slotChanges: [{}, {}, { number: 3 }] });
  // Each list of slots was approved by the owners of the manifest then in force.
  const [, , ...rest] = current.options;
  const { stdout } = await runWitan('verify', '--endpoint', dev.endpoints.join(','), ...rest);
  expect(stdout).toMatch(/ok +changes .*0 steps of rotations, 3 changes of slots/);
});
