/** Full recovery: after the loss of a majority, of all processes, of disks. */
import { describe, expect, it } from 'vitest';
import { slotName } from '@witan/core';
import { RecoveryWorld, THREE, ownerOf } from '../testing/recovery-world.ts';

async function lost(): Promise<RecoveryWorld> {
  const world = new RecoveryWorld();
  await world.found();
  await world.update();
  world.killAll();
  return world;
}

async function serving(world: RecoveryWorld, epoch: number, count = 3): Promise<void> {
  await world.until(
    () =>
      world.epochs().filter((number) => number === epoch).length >= count &&
      world.leader() !== undefined,
    30_000,
  );
}

function machineOf(world: RecoveryWorld) {
  return world.leader()?.replica.cluster?.state.machine ?? expect.fail('no leader');
}

describe('after the loss of all processes', () => {
  it('opens with shares handed to different replicas, in the next epoch (I7, I8)', async () => {
    const world = await lost();
    for (const slot of THREE) world.revive(slot);
    await world.until(() => world.live().every(({ replica }) => replica.phase() === 'sealed'));
    world.submit('witan-2', 1);
    await world.scheduler.run(3_000);
    const progress = world.at('witan-0').replica.recoveryProgress();
    expect(progress).toMatchObject({ shares: { received: 1, threshold: 2 }, seed: undefined });
    world.submit('witan-1', 0);
    await serving(world, 2);
    const machine = machineOf(world);
    expect(machine.generation).toBe(2);
    const [signed] = machine.recoveries;
    expect(signed?.recovery).toMatchObject({ epoch: 2, key: 'shares', acceptedMissing: [] });
    expect(signed?.recovery.owners).toEqual([ownerOf(0), ownerOf(1)].toSorted());
    expect(signed?.recovery.participants.map(({ slot }) => slot)).toEqual(THREE);
    await world.update();
    expect(machineOf(world).generation).toBe(3);
    const { replica } = world.at('witan-0');
    expect(() => world.submit('witan-0', 2)).toThrow(
      expect.objectContaining({ code: 'REPLICA_NOT_RECOVERING' }),
    );
    expect(replica.recoveryProgress()).toBeUndefined();
    expect(world.fatal).toEqual([]);
  });

  it('keeps what was acknowledged, also twice in a row (I3)', async () => {
    const world = await lost();
    for (const epoch of [2, 3]) {
      for (const slot of THREE) world.revive(slot);
      await world.until(() => world.live().every(({ replica }) => replica.phase() === 'sealed'));
      world.submit('witan-0', 0);
      world.submit('witan-0', 2);
      await serving(world, epoch);
      expect(machineOf(world).generation).toBe(epoch);
      await world.update();
      world.killAll();
    }
    expect(world.fatal).toEqual([]);
  });

  it('loses no accepted share with the replica that took it, nor in a restart', async () => {
    const world = await lost();
    for (const slot of THREE) world.revive(slot);
    await world.until(() => world.live().every(({ replica }) => replica.phase() === 'sealed'));
    world.submit('witan-0', 0);
    await world.scheduler.run(1_500);
    world.restart('witan-0');
    await world.scheduler.run(1_500);
    world.restart('witan-1');
    await world.scheduler.run(1_500);
    world.submit('witan-1', 1);
    await serving(world, 2);
    expect(machineOf(world).recoveries[0]?.recovery.owners).toHaveLength(2);
  });

  it('stays shut while a voter of the last configuration does not answer', async () => {
    const world = await lost();
    world.revive('witan-0');
    world.revive('witan-1');
    await world.scheduler.run(1_000);
    world.submit('witan-0', 0);
    world.submit('witan-1', 1);
    await world.scheduler.run(20_000);
    expect(world.epochs()).toEqual([]);
    expect(world.at('witan-1').replica.recoveryProgress()).toMatchObject({
      seed: 'shares',
      verified: true,
      expected: THREE,
      answered: ['witan-0', 'witan-1'],
      best: { generation: 2 },
      obstacle: { code: 'STATE_MISSING', slots: ['witan-2'] },
    });
    const acceptMissing = [slotName('witan-2')];
    world.submit('witan-0', 0, { acceptMissing });
    await world.scheduler.run(5_000);
    expect(world.epochs()).toEqual([]);
    world.submit('witan-1', 1, { acceptMissing });
    await serving(world, 2, 2);
    expect(machineOf(world).recoveries[0]?.recovery.acceptedMissing).toEqual(acceptMissing);
  });

  it('gives nothing up by the word of owners whom a host made up (I7)', async () => {
    const world = await lost();
    world.revive('witan-0');
    world.revive('witan-1');
    await world.scheduler.run(1_000);
    const acceptMissing = [slotName('witan-2')];
    for (const forged of [10, 11]) world.submit('witan-1', forged, { acceptMissing });
    world.submit('witan-0', 0);
    world.submit('witan-0', 1);
    const missing = (): unknown => world.at('witan-0').replica.recoveryProgress()?.obstacle;
    // In steps, because much that is awaited here waits for no timer.
    for (let step = 0; step < 10; step += 1) await world.scheduler.run(1_000);
    expect(world.epochs()).toEqual([]);
    expect(missing()).toEqual({ code: 'STATE_MISSING', slots: ['witan-2'] });
    for (const owner of [0, 1]) world.submit('witan-0', owner, { acceptMissing });
    await world.scheduler.run(1_000);
    await serving(world, 2, 2);
    const { owners } = machineOf(world).recoveries[0]?.recovery ?? { owners: [] };
    expect(owners).toEqual([ownerOf(0), ownerOf(1)].toSorted());
  });

  it('needs its old disks until the first leader of the epoch has committed', async () => {
    const world = await lost();
    for (const slot of THREE) world.revive(slot);
    await world.until(() => world.live().every(({ replica }) => replica.phase() === 'sealed'));
    world.submit('witan-1', 0);
    world.submit('witan-1', 1);
    const openers = () => world.live().filter(({ replica }) => replica.cluster?.epoch === 2);
    await world.until(() => openers().length > 0);
    expect(openers().map(({ replica }) => replica.cluster?.hasCommitted)).not.toContain(true);
    await serving(world, 2);
    await world.until(() => openers().every(({ replica }) => replica.cluster?.hasCommitted));
    const newcomer = world.restart('witan-2');
    await world.until(() => newcomer.replica.phase() === 'serving');
    expect(newcomer.replica.cluster?.hasCommitted).toBe(true);
  });

  it('asks for a slot whose disk is empty, or old, as for one that is missing (I4)', async () => {
    const world = new RecoveryWorld();
    await world.found();
    const old = world.copyOf('witan-2');
    // Its successor votes now; what the predecessor left says nothing of what that accepted.
    const reborn = world.restart('witan-2');
    await world.until(() => reborn.replica.phase() === 'serving');
    await world.update();
    world.killAll();
    for (const disk of [[], old]) {
      world.disks.set('witan-2', disk);
      for (const slot of THREE) world.restart(slot);
      await world.scheduler.run(2_000);
      world.submit('witan-0', 0);
      world.submit('witan-1', 1);
      await world.scheduler.run(10_000);
      expect(world.epochs()).toEqual([]);
      expect(world.at('witan-0').replica.recoveryProgress()?.obstacle).toEqual({
        code: 'STATE_MISSING',
        slots: ['witan-2'],
      });
    }
  });

  it('does not open below a floor, when all disks were set back (I6)', async () => {
    const world = new RecoveryWorld();
    await world.found();
    const copies = THREE.map((slot) => world.copyOf(slot));
    const floor = await world.update();
    world.killAll();
    for (const [at, slot] of THREE.entries()) world.disks.set(slot, copies[at] ?? []);
    for (const slot of THREE) world.revive(slot);
    await world.scheduler.run(2_000);
    world.submit('witan-0', 0);
    world.submit('witan-1', 1, { floor });
    await world.scheduler.run(10_000);
    expect(world.epochs()).toEqual([]);
    expect(world.at('witan-2').replica.recoveryProgress()?.obstacle).toMatchObject({
      code: 'BELOW_FLOOR',
      owner: ownerOf(1),
      verdict: { kind: 'lower-index' },
    });
  });
});

describe('a host that makes up a whole cluster under the id of a true one', () => {
  it('finds its seed refused, whatever shares and disks it brings (I6)', async () => {
    const world = await lost();
    // Disks and shares go on fitting each other, and the id is the true one.
    world.forgeSeed();
    for (const slot of THREE) world.revive(slot);
    await world.scheduler.run(2_000);
    world.submit('witan-0', 0);
    world.submit('witan-1', 1);
    await world.scheduler.run(10_000);
    expect(world.epochs()).toEqual([]);
    const progress = world.at('witan-0').replica.recoveryProgress();
    expect(progress).toMatchObject({ shares: { received: 2 }, seed: undefined });
    expect(world.events.some((event) => event.includes('seed refused'))).toBe(true);
  });
});

describe('after the loss of a majority', () => {
  it('goes on without shares while one incarnation has the seed in memory', async () => {
    const world = new RecoveryWorld();
    await world.found();
    await world.update();
    const [survivor] = world.live();
    for (const node of world.live()) if (node !== survivor) world.kill(node);
    for (const slot of THREE) if (slot !== survivor?.slot) world.revive(slot);
    await serving(world, 2);
    expect(machineOf(world)).toMatchObject({ generation: 2 });
    expect(machineOf(world).recoveries[0]?.recovery).toMatchObject({ key: 'memory', owners: [] });
    await world.update();
    expect(world.fatal).toEqual([]);
  });

  it('asks for what is missing all the same, and opens when owners give it up', async () => {
    const world = new RecoveryWorld();
    await world.found();
    await world.update();
    const [survivor, second] = world.live();
    for (const node of world.live()) if (node !== survivor) world.kill(node);
    if (second === undefined) return;
    world.revive(second.slot);
    await world.scheduler.run(10_000);
    expect(world.epochs().filter((epoch) => epoch > 1)).toEqual([]);
    const third = THREE.find((slot) => slot !== survivor?.slot && slot !== second.slot) ?? '';
    const acceptMissing = [slotName(third)];
    world.submit(second.slot, 0, { acceptMissing });
    world.submit(survivor?.slot ?? '', 2, { acceptMissing });
    await serving(world, 2, 2);
  });

  it('asks nothing of a member that only was cut off, and takes nothing from it', async () => {
    const world = new RecoveryWorld();
    await world.found();
    const [alone] = world.live();
    if (alone === undefined) return;
    const others = THREE.filter((slot) => slot !== alone.slot);
    for (const slot of others) world.cut.add(`${alone.slot}>${slot}`);
    await world.until(() => {
      const leader = world.leader();
      return leader !== undefined && leader !== alone;
    });
    // It can reach nobody: nothing says that they are gone.
    await world.scheduler.run(10_000);
    expect(alone.replica.cluster?.epoch).toBe(1);
    world.cut.clear();
    await world.scheduler.run(5_000);
    expect(world.epochs()).toEqual([1, 1, 1]);
    expect(world.fatal).toEqual([]);
  });
});

describe('an opening that was interrupted', () => {
  it('is made again, one epoch higher, by whoever is left of it', async () => {
    const world = await lost();
    for (const slot of THREE) world.revive(slot);
    await world.until(() => world.live().every(({ replica }) => replica.phase() === 'sealed'));
    world.submit('witan-1', 0);
    world.submit('witan-1', 1);
    await world.until(() => world.live().some(({ replica }) => replica.cluster?.epoch === 2));
    const opener = world.live().find(({ replica }) => replica.cluster?.epoch === 2);
    if (opener === undefined) return;
    world.restart(opener.slot);
    await world.until(() => world.epochs().length === 3, 60_000);
    const generations = world.live().map(({ replica }) => replica.cluster?.generation);
    expect(generations).toEqual([2, 2, 2]);
    expect(world.fatal).toEqual([]);
  });
});
