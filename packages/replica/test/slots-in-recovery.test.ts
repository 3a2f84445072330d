/** Slots that owners changed, in a whole world: members that leave, and a recovery in between. */
import { expect, it } from 'vitest';
import { slotName } from '@witan/core';
import { RecoveryWorld } from '../testing/recovery-world.ts';

const FIVE = ['witan-0', 'witan-1', 'witan-2', 'witan-3', 'witan-4'];
const THREE = FIVE.slice(0, 3);

function votersOf(world: RecoveryWorld): readonly string[] {
  const cluster = world.leader()?.replica.cluster;
  const voters = cluster?.status().configuration.voters ?? [];
  const members = cluster?.members().filter(({ nodeId }) => voters.includes(nodeId)) ?? [];
  return members.map(({ slot }) => slot).toSorted();
}

it('takes members of removed slots out one by one, the leader last (I2)', async () => {
  const world = new RecoveryWorld(FIVE, 4);
  await world.found();
  const leader = world.leader()?.slot ?? '';
  const other = FIVE.find((slot) => slot !== leader) ?? '';
  const rest = FIVE.filter((slot) => slot !== leader && slot !== other);
  const sizes = new Set<number>();
  await world.changeSlots(rest);
  await world.until(() => {
    sizes.add(votersOf(world).length);
    return votersOf(world).join() === rest.join();
  });
  expect([3, 4, 5].every((size) => sizes.has(size))).toBe(true);
  await world.update();
  const gone = world.nodes.filter(({ slot }) => slot === leader || slot === other);
  await world.until(() => gone.every(({ replica }) => replica.phase() === 'removed'));
  // A new process of a removed slot is not let in.
  const late = world.start(other);
  await world.scheduler.run(3_000);
  expect(late.replica.cluster).toBeUndefined();
  expect(world.events.some((line) => line.includes('SLOT_UNKNOWN'))).toBe(true);
  expect(world.fatal).toEqual([]);
});

it('is recovered without the members that were leaving when all was lost (I2, I7)', async () => {
  const world = new RecoveryWorld(FIVE, 4);
  await world.found();
  await world.changeSlots(THREE);
  world.killAll();
  for (const slot of FIVE) world.revive(slot);
  await world.until(() => world.live().every(({ replica }) => replica.phase() === 'sealed'));
  world.submit('witan-1', 0);
  world.submit('witan-2', 1);
  await world.until(() => votersOf(world).length > 0 && world.epochs().includes(2), 30_000);
  expect(votersOf(world)).toEqual(THREE);
  const machine = world.leader()?.replica.cluster?.state.machine;
  expect(machine?.slots).toEqual(THREE.map(slotName));
  expect(machine?.slotChanges).toHaveLength(1);
  expect(world.fatal).toEqual([]);
});
