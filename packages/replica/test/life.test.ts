import { expect, it } from 'vitest';
import { World } from '../testing/world.ts';

const THREE = ['witan-0', 'witan-1', 'witan-2'];

async function founded(slots: readonly string[] = THREE, seed = 1): Promise<World> {
  const world = new World(slots, seed);
  for (const slot of slots) world.start(slot);
  const ok = await world.scheduler.run(10_000, () => world.leader() !== undefined);
  if (!ok) throw new Error(`no leader: ${world.events.join('\n')} ${String(world.fatal[0])}`);
  return world;
}

async function settled<Value>(world: World, promise: Promise<Value>): Promise<Value> {
  let done = false;
  const watched = promise.finally(() => {
    done = true;
  });
  watched.catch(() => undefined);
  await world.scheduler.run(20_000, () => done);
  return watched;
}

function leaderOf(world: World): ReturnType<World['at']> {
  const leader = world.leader();
  if (leader === undefined) throw new Error('no leader');
  return leader;
}

it('founds a cluster once all slots are there, and elects a leader', async () => {
  const world = new World(THREE);
  world.start('witan-0');
  world.start('witan-1');
  await world.scheduler.run(5_000);
  expect(world.live().every((node) => node.replica.phase() === 'discovering')).toBe(true);
  expect(world.at('witan-0').replica.waiting).toMatchObject({
    code: 'SLOTS_MISSING',
    slots: ['witan-2'],
  });
  world.start('witan-2');
  await world.scheduler.run(5_000, () => world.leader() !== undefined);
  expect(world.live().map((node) => node.replica.phase())).toEqual([
    'founded',
    'founded',
    'founded',
  ]);
  expect(new Set(world.live().map((node) => node.replica.cluster?.clusterId)).size).toBe(1);
  expect(world.live().flatMap((node) => node.disk.records)).toEqual([]);
  expect(world.fatal).toEqual([]);
});

it('founds a cluster of one at once', async () => {
  const world = await founded(['witan-0']);
  await settled(world, world.write(leaderOf(world)));
  expect(world.at('witan-0').disk.records.length).toBeGreaterThan(0);
});

it('swaps a restarted follower and a restarted leader in as new incarnations (I2)', async () => {
  const world = await founded();
  await settled(world, world.write(leaderOf(world)));
  for (const pick of ['follower', 'leader', 'follower', 'leader'] as const) {
    const leader = leaderOf(world);
    const victim = pick === 'leader' ? leader : world.live().find((node) => node !== leader);
    if (victim === undefined) throw new Error('no victim');
    world.kill(victim);
    const reborn = world.start(victim.slot);
    const swapped = await world.scheduler.run(15_000, () => {
      const status = world.leader()?.replica.cluster?.status().configuration;
      return (
        status?.voters.includes(reborn.self.nodeId) === true &&
        !status.voters.includes(victim.self.nodeId) &&
        status.votersOutgoing.length === 0
      );
    });
    expect(swapped, world.events.slice(-30).join('\n')).toBe(true);
    await settled(world, world.write(leaderOf(world)));
    const voters = leaderOf(world).replica.cluster?.status().configuration.voters;
    expect(voters).toHaveLength(3);
  }
  expect(world.fatal).toEqual([]);
});

it('does not displace a live incarnation by a clone (I2)', async () => {
  const world = await founded();
  const original = world.at('witan-1');
  const clone = world.start('witan-1');
  clone.hidden = true;
  await world.scheduler.run(10_000);
  const refusals = world.events.filter((line) => line.includes('SLOT_HELD_BY_LIVE_INCARNATION'));
  expect(refusals.length).toBeGreaterThan(3);
  const voters = leaderOf(world).replica.cluster?.status().configuration.voters;
  expect(voters).toContain(original.self.nodeId);
  expect(voters).not.toContain(clone.self.nodeId);
});

it('tells a zombie that it was replaced (I2)', async () => {
  const world = await founded();
  await settled(world, world.write(leaderOf(world)));
  const zombie = world.live().find((node) => node !== world.leader());
  if (zombie === undefined) throw new Error('no follower');
  zombie.paused = true;
  const reborn = world.start(zombie.slot);
  await world.scheduler.run(15_000, () => reborn.replica.cluster?.isVoter() === true);
  expect(reborn.replica.cluster?.isVoter()).toBe(true);
  zombie.paused = false;
  await world.scheduler.run(10_000, () => zombie.replica.phase() === 'removed');
  expect(zombie.replica.phase()).toBe('removed');
  expect(reborn.replica.cluster?.isVoter()).toBe(true);
});

it('founds again when the founders died before the first manifest', async () => {
  const world = await founded();
  const first = leaderOf(world).replica.cluster?.clusterId;
  const [a, b] = world.live();
  if (a === undefined || b === undefined) throw new Error('too few');
  world.kill(a);
  world.kill(b);
  world.start(a.slot);
  world.start(b.slot);
  const again = await world.scheduler.run(30_000, () => {
    const ids = new Set(world.live().map((node) => node.replica.cluster?.clusterId));
    return ids.size === 1 && !ids.has(undefined) && !ids.has(first) && world.leader() !== undefined;
  });
  expect(again, world.events.slice(-20).join('\n')).toBe(true);
});

it('does not found beside sealed state, and says which slots hold it (I4)', async () => {
  const world = new World(THREE);
  world.start('witan-0');
  world.start('witan-1', { holdsSealedState: true });
  world.start('witan-2', { holdsSealedState: true });
  await world.scheduler.run(60_000);
  expect(world.leader()).toBeUndefined();
  expect(world.at('witan-0').replica.waiting).toMatchObject({ code: 'RECOVERY_NEEDED' });
  expect(world.at('witan-1').replica.phase()).toBe('sealed');
});

it('keeps nothing on disk before the first command worth keeping (I4)', async () => {
  const world = await founded();
  await world.scheduler.run(3_000);
  expect(world.live().flatMap((node) => node.disk.records)).toEqual([]);
  await settled(world, world.write(leaderOf(world)));
  await world.scheduler.run(1_000);
  for (const node of world.live()) expect(node.disk.records.length).toBeGreaterThan(0);
});

it('acknowledges nothing while a majority is away (I3)', async () => {
  const world = await founded();
  const leader = leaderOf(world);
  for (const node of world.live()) if (node !== leader) node.paused = true;
  await expect(settled(world, world.write(leader))).rejects.toMatchObject({
    code: expect.stringMatching(/REPLICA_(OUTCOME_UNKNOWN|TIMED_OUT|NOT_LEADER)/) as string,
  });
});

it('confirms reads through a quorum, on leader and followers alike (I5)', async () => {
  const world = await founded();
  const index = await settled(world, world.write(leaderOf(world)));
  for (const node of world.live()) {
    const barrier = node.replica.cluster?.engine.readBarrier({ timeoutMs: 3_000 });
    expect(
      await settled(world, barrier ?? Promise.reject(new Error('none'))),
    ).toBeGreaterThanOrEqual(index);
  }
  const [cutOff] = world.live().filter((node) => node !== world.leader());
  if (cutOff === undefined) throw new Error('no follower');
  for (const slot of THREE) world.cut.add(`${cutOff.slot}>${slot}`);
  const barrier = cutOff.replica.cluster?.engine.readBarrier({ timeoutMs: 3_000 });
  await expect(settled(world, barrier ?? Promise.resolve(0))).rejects.toMatchObject({
    code: 'REPLICA_NO_LEADER',
  });
});
