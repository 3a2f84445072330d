/** Newcomers whose admission became void, and whom newcomers ask. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { clusterId, epoch, incarnationId, slotName, utf8 } from '@witan/core';
import { decide, type ConsensusEngine, type PeerIdentity, type Standing } from '@witan/replica';
import { NO_TRANSITION } from '@witan/manifest';
import { nodeIdOf } from '@witan/state-machine';
import { AdmissionDesk } from '../src/life/admission.ts';
import { Directory } from '../src/life/directory.ts';
import { World, type Node } from '../testing/world.ts';

const THREE = ['witan-0', 'witan-1', 'witan-2'];
const SLOTS = THREE.map(slotName);

async function founded(): Promise<World> {
  const world = new World(THREE, 1);
  for (const slot of THREE) world.start(slot);
  if (!(await world.scheduler.run(10_000, () => world.leader() !== undefined))) {
    throw new Error('no leader');
  }
  return world;
}

async function write(world: World): Promise<void> {
  const leader = world.leader();
  if (leader === undefined) throw new Error('no leader');
  let isDone = false;
  void world.write(leader).then(() => {
    isDone = true;
  });
  await world.scheduler.run(5_000, () => isDone);
}

/** A follower dies, its successor gets as far as `isSo` and is paused; then comes another one. */
async function displacedAt(world: World, isSo: (newcomer: Node) => boolean): Promise<Node> {
  await write(world);
  const victim = world.live().find((node) => node !== world.leader());
  if (victim === undefined) throw new Error('no follower');
  world.kill(victim);
  const first = world.start(victim.slot);
  expect(await world.scheduler.run(10_000, () => isSo(first))).toBe(true);
  expect(first.replica.cluster?.isVoter()).toBe(false);
  first.paused = true;
  const second = world.start(victim.slot);
  await world.scheduler.run(15_000, () => second.replica.cluster?.isVoter() === true);
  expect(second.replica.cluster?.isVoter(), world.events.slice(-20).join('\n')).toBe(true);
  first.paused = false;
  return first;
}

it('ends a learner that was removed and hears nothing of it (I2)', async () => {
  const world = await founded();
  const first = await displacedAt(world, ({ replica }) => replica.cluster?.isMember() === true);
  // It still knows its leader: a learner never campaigns.
  expect(first.replica.cluster?.status().leaderId).not.toBe(0);
  await world.scheduler.run(10_000, () => first.replica.phase() === 'removed');
  expect(first.replica.phase()).toBe('removed');
  expect(world.fatal).toEqual([]);
});

it('ends a newcomer that was removed before any state reached it (I2)', async () => {
  const world = await founded();
  const first = await displacedAt(world, ({ replica }) => replica.cluster !== undefined);
  expect(first.replica.cluster?.isMember()).toBe(false);
  await world.scheduler.run(10_000, () => first.replica.phase() === 'removed');
  expect(first.replica.phase(), world.events.slice(-20).join('\n')).toBe('removed');
  expect(world.fatal).toEqual([]);
});

it('lets a newcomer of a cluster go that died before its first manifest', async () => {
  const world = await founded();
  const first = world.leader()?.replica.cluster?.clusterId;
  const victim = world.live().find((node) => node !== world.leader());
  if (victim === undefined) throw new Error('no follower');
  world.kill(victim);
  const newcomer = world.start(victim.slot);
  await world.scheduler.run(10_000, () => newcomer.replica.cluster?.isMember() === true);
  for (const node of world.live().filter(({ slot }) => slot !== victim.slot)) {
    world.kill(node);
    world.start(node.slot);
  }
  const isNew = await world.scheduler.run(30_000, () => {
    const ids = new Set(world.live().map(({ replica }) => replica.cluster?.clusterId));
    return ids.size === 1 && !ids.has(undefined) && !ids.has(first) && world.leader() !== undefined;
  });
  expect(isNew, world.events.slice(-20).join('\n')).toBe(true);
});

function peer(slot: number, life = 0): PeerIdentity {
  const digest = createHash('sha256').update(utf8(`${slot}/${life}`));
  const incarnation = incarnationId(digest.digest('hex'));
  const name = SLOTS[slot];
  if (name === undefined) throw new Error('no such slot');
  return { nodeId: nodeIdOf(incarnation), slot: name, incarnation, address: `${name}:1` };
}

it('gives a newcomer time to be heard before another one takes its place (I2)', async () => {
  const [leader, dead, first, second] = [peer(0), peer(1), peer(1, 1), peer(1, 2)];
  const members = [leader, dead, peer(2), first];
  const silent = { matchIndex: 0, lastHeardMs: 0, heard: 0 };
  let changes = 0;
  const engine = {
    readBarrier: () => Promise.resolve(1),
    status: () => ({
      nodeId: leader.nodeId,
      role: 'leader',
      term: 2,
      commitIndex: 1,
      configuration: {
        voters: [leader, dead, peer(2)].map(({ nodeId }) => nodeId),
        votersOutgoing: [],
        learners: [first.nodeId],
      },
      progress: new Map(members.map(({ nodeId }) => [nodeId, silent])),
    }),
    changeMembership: () => {
      changes += 1;
      return Promise.resolve();
    },
  };
  const desk = new AdmissionDesk({
    engine: engine as unknown as ConsensusEngine,
    slots: () => SLOTS,
    hasManifest: () => true,
    members: () => members,
    check: () => undefined,
    versions: { floor: 0, settle: () => undefined },
    isRetired: () => false,
    stepDown: () => undefined,
    onRefused: () => undefined,
    timeoutMs: 1_000,
    onEvent: () => undefined,
  });
  const request = { self: second, slots: SLOTS };
  const busy = { kind: 'busy', code: 'SLOT_HELD_BY_LIVE_INCARNATION' };
  expect(await desk.admit(request, second.incarnation)).toEqual(busy);
  for (let beat = 0; beat < 10; beat += 1) {
    await desk.beat();
    expect(await desk.admit(request, second.incarnation)).toEqual(busy);
  }
  await desk.beat();
  await desk.admit(request, second.incarnation);
  expect(changes).toBe(1);
});

it('hears a member again that was let in again after it was removed (I2)', () => {
  const [a, b] = [peer(0), peer(1)];
  const directory = new Directory([a, b]);
  directory.replace([a]);
  expect(directory.isRetired(b.incarnation)).toBe(true);
  directory.replace([a, b]);
  expect(directory.isRetired(b.incarnation)).toBe(false);
});

function member(self: PeerIdentity, id: string, appliedIndex: number, leader?: PeerIdentity) {
  const life = { clusterId: clusterId(id.repeat(64)), epoch: epoch(1), opening: NO_TRANSITION };
  const cluster = { ...life, appliedIndex };
  const named = leader === undefined ? {} : { leader };
  return {
    kind: 'member',
    self,
    slots: SLOTS,
    cluster: { ...cluster, members: [], ...named },
  } as const;
}

it('asks the leader that the furthest names first, then everybody who is in a cluster', () => {
  const newcomer = peer(0, 1);
  const own: Standing = { kind: 'new', self: newcomer, slots: SLOTS };
  const answers = (...standings: readonly Standing[]) =>
    new Map(standings.map((standing) => [standing.self.slot, standing]));
  const waiting = member(peer(1), 'a', 0);
  const ahead = member(peer(2), 'a', 9, peer(2));
  expect(decide(own, answers(waiting, ahead))).toEqual({ kind: 'join', at: [SLOTS[2], SLOTS[1]] });
  // One that names this very slot, where its dead leader was, is asked itself.
  const left = member(peer(2), 'a', 9, peer(0));
  expect(decide(own, answers(waiting, left))).toEqual({ kind: 'join', at: [SLOTS[2], SLOTS[1]] });
});

it('asks only its own cluster again while its state has not come', () => {
  const own = member(peer(0, 1), 'a', 0, peer(1));
  const foreign = member(peer(2), 'b', 90, peer(2));
  const answers = new Map<(typeof SLOTS)[number], Standing>([[foreign.self.slot, foreign]]);
  expect(decide(own, answers)).toMatchObject({ kind: 'wait', code: 'STATE_PENDING' });
  const host = member(peer(1), 'a', 5, peer(1));
  answers.set(host.self.slot, host);
  expect(decide(own, answers)).toEqual({ kind: 'join', at: [host.self.slot] });
});
