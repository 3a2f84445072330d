/** What operators ask the leader: members, whether a slot may stop, and to step down. */
import { expect, it } from 'vitest';
import { slotName } from '@witan/core';
import { ReplicaError, type Cluster, type StopVerdict } from '@witan/replica';
import { judgeStop } from '../src/life/judge-stop.ts';
import { World, type Node } from '../testing/world.ts';

const THREE = ['witan-0', 'witan-1', 'witan-2'];

async function founded(slots: readonly string[] = THREE): Promise<World> {
  const world = new World(slots, 3);
  for (const slot of slots) world.start(slot);
  if (!(await world.scheduler.run(10_000, () => world.leader() !== undefined))) {
    throw new Error('no leader');
  }
  await world.scheduler.run(1_500);
  return world;
}

function leaderOf(world: World): { readonly node: Node; readonly cluster: Cluster<unknown> } {
  const node = world.leader();
  const cluster = node?.replica.cluster;
  if (node === undefined || cluster === undefined) throw new Error('no leader');
  return { node, cluster };
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

function mayStop(world: World, slot: string): Promise<StopVerdict> {
  return settled(world, leaderOf(world).cluster.steward.canStop(slotName(slot), 5_000));
}

it('names slots, roles and how far behind each member is', async () => {
  const world = await founded();
  const { node, cluster } = leaderOf(world);
  await settled(world, world.write(node));
  await world.scheduler.run(500);
  const report = await settled(world, cluster.steward.members(5_000));
  expect(report).toMatchObject({ slots: THREE, changeUnderWay: false });
  expect(report.members.map(({ slot }) => slot)).toEqual(THREE);
  expect(report.members.filter(({ role }) => role === 'leader')).toMatchObject([
    { slot: node.slot },
  ]);
  expect(report.members.every(({ reachable, behind }) => reachable && behind === 0)).toBe(true);
});

it('lets one of three stop, and a second one only when the first is back', async () => {
  const world = await founded();
  await settled(world, world.write(leaderOf(world).node));
  expect(await mayStop(world, 'witan-1')).toMatchObject({ safe: true, needed: 2 });
  expect(await mayStop(world, 'witan-9')).toMatchObject({ safe: false, code: 'SLOT_UNKNOWN' });
  const victim = world.live().find((node) => node !== world.leader());
  if (victim === undefined) throw new Error('no follower');
  const other = THREE.find((slot) => slot !== victim.slot && slot !== world.leader()?.slot) ?? '';
  world.kill(victim);
  // Right after the kill nothing has noticed it but the messages that do not come (I5).
  expect(await mayStop(world, other)).toMatchObject({
    safe: false,
    code: 'QUORUM_WOULD_BE_LOST',
    missing: [victim.slot],
  });
  expect(await mayStop(world, victim.slot)).toMatchObject({ safe: true });
  const reborn = world.start(victim.slot);
  await world.scheduler.run(15_000, () => reborn.replica.cluster?.isVoter() === true);
  await world.scheduler.run(500);
  expect(await mayStop(world, other)).toMatchObject({ safe: true });
});

it('never lets the only voter stop', async () => {
  const world = await founded(['witan-0']);
  const verdict = await mayStop(world, 'witan-0');
  expect(verdict).toMatchObject({ safe: false, code: 'QUORUM_WOULD_BE_LOST', needed: 1 });
});

it('says no while somebody is swapped in', () => {
  const members = THREE.map((slot, at) => ({ slot: slotName(slot), nodeId: at + 1 }) as never);
  const facts = { slots: THREE.map(slotName), members, isReady: () => true };
  const [one, two] = [slotName('witan-0'), slotName('witan-2')];
  const joint = { voters: [1, 2], votersOutgoing: [1, 3], learners: [] };
  const code = 'SWAP_UNDER_WAY';
  expect(judgeStop(one, { ...facts, configuration: joint })).toMatchObject({ safe: false, code });
  const learning = { voters: [1, 2], votersOutgoing: [], learners: [3] };
  expect(judgeStop(one, { ...facts, configuration: learning })).toMatchObject({ code });
  // The learner itself may go: nobody counts on it.
  expect(judgeStop(two, { ...facts, configuration: learning })).toMatchObject({ safe: true });
});

it('steps down once for a request that is repeated, and not at once again', async () => {
  const world = await founded();
  const { node, cluster } = leaderOf(world);
  const { term } = cluster.status();
  const ended = await settled(world, cluster.steward.stepDown(term, 5_000));
  expect(ended.from).toBe(node.slot);
  const after = leaderOf(world);
  expect(after.node.slot).toBe(ended.to);
  const again = await settled(world, after.cluster.steward.stepDown(term, 5_000));
  expect(again).toEqual({ from: undefined, to: ended.to, term: ended.term });
  // A leader that has just begun keeps its office for a second, whoever asks.
  const beganMs = world.scheduler.monotonicMs();
  await settled(world, after.cluster.steward.stepDown(ended.term, 5_000));
  expect(world.scheduler.monotonicMs() - beganMs).toBeGreaterThan(700);
  await expect(after.cluster.steward.members(1_000)).rejects.toMatchObject({
    code: 'REPLICA_NOT_LEADER',
  });
  expect(world.fatal).toEqual([]);
});

it('does not step down where nobody could take over', async () => {
  const world = await founded(['witan-0']);
  const { cluster } = leaderOf(world);
  const asked = settled(world, cluster.steward.stepDown(cluster.status().term, 3_000));
  await expect(asked).rejects.toBeInstanceOf(ReplicaError);
  await expect(asked).rejects.toMatchObject({ code: 'REPLICA_NO_SUCCESSOR' });
});
