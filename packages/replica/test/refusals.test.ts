/** Clones, zombies and impostors: each is refused under a message of its own, once. */
import { expect, it } from 'vitest';
import { clusterId, epoch, incarnationId, slotName } from '@witan/core';
import { REFUSAL_EVENTS } from '@witan/replica';
import { Refusals } from '../src/life/refusals.ts';
import { World } from '../testing/world.ts';

const THREE = ['witan-0', 'witan-1', 'witan-2'];

async function founded(): Promise<World> {
  const world = new World(THREE, 5);
  for (const slot of THREE) world.start(slot);
  if (!(await world.scheduler.run(10_000, () => world.leader() !== undefined))) {
    throw new Error('no leader');
  }
  const leader = world.leader();
  if (leader === undefined) throw new Error('no leader');
  void world.write(leader);
  await world.scheduler.run(1_500);
  return world;
}

function told(world: World, event: string): readonly string[] {
  return world.events.filter((line) => line.includes(event));
}

it.each(['leader', 'follower'] as const)('a clone of the %s, and no restart (I2)', async (role) => {
  const world = await founded();
  const { clone } = REFUSAL_EVENTS;
  const leader = world.leader();
  const original = world.live().find((node) => (node === leader) === (role === 'leader'));
  if (original === undefined) throw new Error('three live');
  const second = world.start(original.slot);
  second.hidden = true;
  await world.scheduler.run(4_000);
  // The leader says so of a follower's clone, and both followers of the leader's.
  const times = role === 'leader' ? 2 : 1;
  expect(told(world, clone)).toHaveLength(times);
  expect(told(world, clone)[0]).toContain(second.self.incarnation);
  expect(original.replica.cluster?.isVoter()).toBe(true);
  world.kill(second);
  // The same newcomer asks while its predecessor is still taken for alive, which it is not.
  const victim = world.live().find((node) => node !== world.leader() && node !== original);
  if (victim === undefined) throw new Error('a follower');
  world.kill(victim);
  const reborn = world.start(victim.slot);
  await world.scheduler.run(10_000, () => reborn.replica.cluster?.isVoter() === true);
  expect(reborn.replica.cluster?.isVoter()).toBe(true);
  expect(told(world, 'SLOT_HELD_BY_LIVE_INCARNATION').length).toBeGreaterThan(0);
  expect(told(world, clone)).toHaveLength(times);
});

it('a zombie, by each that hears it (I2)', async () => {
  const world = await founded();
  const zombie = world.live().find((node) => node !== world.leader());
  if (zombie === undefined) throw new Error('no follower');
  zombie.paused = true;
  const reborn = world.start(zombie.slot);
  await world.scheduler.run(15_000, () => reborn.replica.cluster?.isVoter() === true);
  // The joint configuration is left everywhere by then.
  await world.scheduler.run(1_000);
  const { cluster } = zombie.replica;
  if (cluster === undefined) throw new Error('it was a member');
  for (const slot of THREE.filter((name) => name !== zombie.slot)) {
    const hearer = world.at(slot).replica;
    hearer.messagesArrived(zombie.self, cluster, []);
    hearer.messagesArrived(zombie.self, cluster, []);
  }
  const lines = told(world, REFUSAL_EVENTS.zombie);
  expect(lines).toHaveLength(2);
  expect(lines.every((line) => line.includes(zombie.self.incarnation))).toBe(true);
});

it('whoever speaks for another cluster or epoch of it, each kind once', async () => {
  const world = await founded();
  const { cluster } = world.at('witan-0').replica;
  if (cluster === undefined) throw new Error('founded');
  const { self } = world.at('witan-1');
  for (let times = 0; times < 3; times += 1) {
    cluster.refuseForeign(self, clusterId('ab'.repeat(32)), epoch(1));
    cluster.refuseForeign(self, cluster.clusterId, epoch(7));
  }
  expect(told(world, REFUSAL_EVENTS.cluster)).toHaveLength(1);
  expect(told(world, REFUSAL_EVENTS.epoch)).toHaveLength(1);
  expect(told(world, REFUSAL_EVENTS.epoch)[0]).toContain('"epoch":7');
});

it('are noted without growing for ever (I10)', () => {
  let told = 0;
  const refusals = new Refusals(() => {
    told += 1;
  });
  const slot = slotName('witan-0');
  for (let life = 0; life < 3_000; life += 1) {
    const incarnation = incarnationId(life.toString(16).padStart(64, '0'));
    refusals.note('slot', { slot, incarnation });
    refusals.note('slot', { slot, incarnation });
  }
  expect(told).toBe(3_000);
});
