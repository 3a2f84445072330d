/** A recovery whose seed a sealing provider opens: nobody's shares, and the same freshness (I4). */
import { expect, it } from 'vitest';
import { slotName } from '@witan/core';
import { RecoveryWorld, THREE, ownerOf } from '../testing/recovery-world.ts';

async function lost(): Promise<RecoveryWorld> {
  const world = new RecoveryWorld();
  await world.found();
  await world.update();
  world.killAll();
  return world;
}

function recoveryOf(world: RecoveryWorld) {
  return world.at('witan-0').replica.cluster?.state.machine.recoveries[0]?.recovery;
}

async function serving(world: RecoveryWorld): Promise<void> {
  const isOpen = () => world.epochs().join() === '2,2,2' && world.leader() !== undefined;
  await world.until(isOpen, 60_000);
  expect(world.fatal).toEqual([]);
}

it('opens without an owner once all slots have answered, and says so (I7)', async () => {
  const world = await lost();
  world.provider = 'right';
  for (const slot of THREE) world.revive(slot);
  await serving(world);
  expect(recoveryOf(world)).toMatchObject({ key: 'provider', owners: [], acceptedMissing: [] });
  await world.update();
});

it('does not open while a slot is missing, or its disk is an old one (I4)', async () => {
  const world = new RecoveryWorld();
  await world.found();
  const [, , third = ''] = THREE;
  world.restart(third);
  await world.until(() => world.at(third).replica.phase() === 'serving');
  await world.update();
  world.killAll();
  world.provider = 'right';
  // What the slot's first incarnation left says nothing of what the second one accepted.
  world.disks.set(third, world.held(third).slice(0, 1));
  for (const slots of [THREE.slice(0, 2), [third]]) {
    for (const slot of slots) world.revive(slot);
    await world.scheduler.run(20_000);
    expect(world.epochs()).toEqual([]);
    const obstacle = { code: 'STATE_MISSING', slots: [third] };
    expect(world.at('witan-0').replica.recoveryProgress()?.obstacle).toEqual(obstacle);
  }
  // Owners can give it up, as always.
  for (const number of [0, 1])
    world.submit('witan-1', number, { acceptMissing: [slotName(third)] });
  await serving(world);
  expect(recoveryOf(world)).toMatchObject({ key: 'provider', acceptedMissing: [third] });
});

it('takes nothing that opens no disk, and lets owners recover all the same (I4)', async () => {
  const world = await lost();
  world.provider = 'wrong';
  for (const slot of THREE) world.revive(slot);
  await world.scheduler.run(10_000);
  expect(world.epochs()).toEqual([]);
  expect(world.at('witan-0').replica.recoveryProgress()).toMatchObject({
    seed: undefined,
    shares: { received: 0 },
  });
  world.submit('witan-0', 0);
  world.submit('witan-2', 1);
  await serving(world);
  expect(recoveryOf(world)).toMatchObject({
    key: 'shares',
    owners: [0, 1].map(ownerOf).toSorted(),
  });
});

it('does not open below the floor of an owner who was quick enough to say so (I6)', async () => {
  const world = new RecoveryWorld();
  await world.found();
  const copies = THREE.map((slot) => world.copyOf(slot));
  const floor = await world.update();
  world.killAll();
  for (const [at, slot] of THREE.entries()) world.disks.set(slot, copies[at] ?? []);
  for (const slot of THREE) world.revive(slot);
  await world.until(() => world.live().every(({ replica }) => replica.phase() === 'sealed'));
  world.submit('witan-1', 1, { floor });
  await world.scheduler.run(2_000);
  world.provider = 'right';
  await world.scheduler.run(10_000);
  expect(world.epochs()).toEqual([]);
  const obstacle = { code: 'BELOW_FLOOR', owner: ownerOf(1) };
  expect(world.at('witan-0').replica.recoveryProgress()?.obstacle).toMatchObject(obstacle);
});
