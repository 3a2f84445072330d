/** A newcomer that finds its slot's former log on disk: what it may reuse, and what not. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { epoch, utf8, type ClusterId } from '@witan/core';
import {
  decodeDurableRecord,
  encodeDurableRecord,
  LogChain,
  replayDurableLog,
} from '@witan/replica';
import { nodeId, type Entry } from 'raft-ts';
import { MARKS_MAX, confirmedIndex, marksOf } from '../src/reuse/reused-log.ts';
import { World, type FormerDisk, type Node } from '../testing/world.ts';

const THREE = ['witan-0', 'witan-1', 'witan-2'];

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

async function founded(seed = 1): Promise<World> {
  const world = new World(THREE, seed);
  for (const slot of THREE) world.start(slot);
  await world.scheduler.run(10_000, () => world.leader() !== undefined);
  await write(world, 1);
  return world;
}

function leaderOf(world: World): Node {
  const leader = world.leader();
  if (leader === undefined) throw new Error('no leader');
  return leader;
}

async function settled<Value>(world: World, promise: Promise<Value>): Promise<Value> {
  let isDone = false;
  const watched = promise.finally(() => {
    isDone = true;
  });
  watched.catch(() => undefined);
  await world.scheduler.run(20_000, () => isDone);
  return watched;
}

async function write(world: World, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    await settled(world, world.write(leaderOf(world)));
  }
  await world.scheduler.run(300);
}

function follower(world: World): Node {
  const found = world.live().find((node) => node !== world.leader());
  if (found === undefined) throw new Error('no follower');
  return found;
}

/** What a disk holds now, apart from what is written to it later. */
function copyOf({ disk }: Node): FormerDisk & { readonly kept: Node['disk']['kept'] } {
  return { kept: { snapshot: disk.kept.snapshot, records: [...disk.kept.records] } };
}

function replayed({ kept }: { readonly kept: Node['disk']['kept'] }) {
  return replayDurableLog(kept.snapshot, kept.records, sha256);
}

/** The newcomer votes, and its log is the leader's. */
async function joined(world: World, newcomer: Node): Promise<void> {
  await world.scheduler.run(20_000, () => newcomer.replica.cluster?.isVoter() === true);
  const cluster = newcomer.replica.cluster;
  expect(cluster?.isVoter(), world.events.slice(-20).join('\n')).toBe(true);
  await write(world, 1);
  const leader = leaderOf(world).replica.cluster;
  const index = leader?.status().commitIndex ?? 0;
  expect(cluster?.status().appliedIndex).toBe(index);
  expect(cluster?.chain.at(index)).toEqual(leader?.chain.at(index));
  expect(cluster?.state.snapshot()).toEqual(leader?.state.snapshot());
  expect(world.fatal).toEqual([]);
}

function eventsOf({ slot }: Node, world: World): string {
  return world.events.filter((event) => event.includes(` ${slot} `)).join('\n');
}

/** What an earlier incarnation's hard state said counts for nothing. */
function withHardState(disk: ReturnType<typeof copyOf>, term: number): ReturnType<typeof copyOf> {
  const records = disk.kept.records.map((bytes) =>
    encodeDurableRecord({
      ...decodeDurableRecord(bytes),
      hardState: { term, vote: nodeId(7), commit: 2 },
    }),
  );
  return { kept: { ...disk.kept, records } };
}

it('reuses its log as far as it is confirmed, but no term, vote or place (I2, I4)', async () => {
  const world = await founded();
  await write(world, 5);
  const victim = follower(world);
  world.kill(victim);
  const former = withHardState(copyOf(victim), 1_000_000);
  const last = replayed(former).mark?.index;
  await write(world, 5);
  const newcomer = world.start(victim.slot, { former });
  await world.scheduler.run(20_000, () => newcomer.replica.cluster !== undefined);
  const { cluster } = newcomer.replica;
  expect(cluster?.reusedIndex).toBe(last);
  expect(cluster?.status()).toMatchObject({ appliedIndex: 1, role: 'learner', commitIndex: last });
  expect(cluster?.status().term).toBeLessThan(10);
  expect(cluster?.isMember()).toBe(false);
  await joined(world, newcomer);
  expect(cluster?.status().term).toBe(leaderOf(world).replica.cluster?.status().term);
  // Its own journal starts with a snapshot of what it reused; none came from the leader.
  expect(newcomer.disk.snapshots).toEqual([last]);
  expect(replayed(newcomer.disk).mark?.index).toBe(cluster?.status().commitIndex);
  expect(eventsOf(newcomer, world)).toContain(`sealed log reused {"index":${last}}`);
  const restored = eventsOf(newcomer, world).match(/state restored from a snapshot/g);
  expect(restored).toHaveLength(1);
});

it('takes an old image of the disk for as much as it is worth (I4)', async () => {
  const world = await founded();
  const victim = follower(world);
  const former = copyOf(victim);
  const old = replayed(former).mark?.index ?? 0;
  await write(world, 8);
  world.kill(victim);
  const newcomer = world.start(victim.slot, { former });
  await joined(world, newcomer);
  expect(newcomer.replica.cluster?.reusedIndex).toBe(old);
});

it("takes another slot's disk for the same log, and nobody's place with it (I2)", async () => {
  const world = await founded();
  await write(world, 3);
  const victim = follower(world);
  const other = world.live().find((node) => node !== victim && node !== world.leader());
  if (other === undefined) throw new Error('no other follower');
  world.kill(victim);
  const newcomer = world.start(victim.slot, { former: copyOf(other) });
  await joined(world, newcomer);
  expect(newcomer.replica.cluster?.reusedIndex).toBeGreaterThan(3);
  const voters = newcomer.replica.cluster?.status().configuration.voters;
  expect(voters).toContain(other.self.nodeId);
  expect(voters).not.toContain(victim.self.nodeId);
  expect(new Set(newcomer.replica.cluster?.members().map(({ slot }) => slot)).size).toBe(3);
});

it('leaves a tail behind that the cluster never committed (I3, I4)', async () => {
  const world = await founded();
  await write(world, 2);
  const old = leaderOf(world);
  const agreed = old.replica.cluster?.status().commitIndex ?? 0;
  for (const slot of THREE) if (slot !== old.slot) world.cut.add(`${old.slot}>${slot}`);
  for (let count = 0; count < 3; count += 1) void world.write(old).catch(() => undefined);
  await world.scheduler.run(300);
  const former = copyOf(old);
  expect(replayed(former).mark?.index).toBe(agreed + 3);
  old.paused = true;
  await world.scheduler.run(20_000, () => world.leader() !== undefined);
  await write(world, 6);
  world.kill(old);
  world.cut.clear();
  const newcomer = world.start(old.slot, { former });
  await joined(world, newcomer);
  expect(newcomer.replica.cluster?.reusedIndex).toBe(agreed);
});

it('starts blank where the disk is damaged, foreign or forged (I4, I10)', async () => {
  const foreign = await founded(7);
  await write(foreign, 5);
  const world = await founded();
  await write(world, 5);
  const own = copyOf(follower(world));
  const forged = own.kept.records.map((bytes) => {
    const record = decodeDurableRecord(bytes);
    const entries = record.entries.map((entry): Entry =>
      entry.type === 'EntryNormal' && entry.data.byteLength > 0
        ? { ...entry, data: Uint8Array.from([...entry.data.subarray(0, -1), 1]) }
        : entry,
    );
    // The chain is made to fit again, as only somebody with the seed could.
    return encodeDurableRecord({ ...record, entries, mark: undefined });
  });
  const cases: readonly (readonly [FormerDisk, RegExp])[] = [
    [{ unreadable: new Error('torn') }, /sealed log not reused \{"reason":"unreadable"/],
    [{ kept: { ...own.kept, snapshot: undefined } }, /"reason":"no snapshot"/],
    [{ kept: { ...own.kept, records: own.kept.records.slice(1) } }, /"reason":"unreadable"/],
    [copyOf(follower(foreign)), /"reason":"no mark confirmed"/],
    [{ kept: { ...own.kept, records: forged } }, /"reason":"no manifest in the confirmed part"/],
  ];
  for (const [former, reason] of cases) {
    const victim = follower(world);
    world.kill(victim);
    world.events.length = 0;
    const newcomer = world.start(victim.slot, { former });
    await joined(world, newcomer);
    expect(newcomer.replica.cluster?.reusedIndex).toBe(0);
    expect(eventsOf(newcomer, world)).toMatch(reason);
  }
});

it('answers members of this cluster and epoch only, and only while it leads (I5)', async () => {
  const world = await founded();
  await write(world, 3);
  const { cluster } = leaderOf(world).replica;
  if (cluster === undefined) throw new Error('no cluster');
  const { clusterId, chain } = cluster;
  const index = cluster.status().commitIndex;
  const link = chain.at(index) ?? utf8('');
  const ask = (change: object, from = follower(world).self.incarnation) =>
    settled(
      world,
      cluster.confirmLog({ clusterId, epoch: epoch(1), marks: [{ index, link }], ...change }, from),
    );
  expect(await ask({})).toEqual({ kind: 'confirmed', index });
  const refused = (code: string) => ({ kind: 'refused', code });
  const stranger = new World(THREE, 9).start('witan-0').self.incarnation;
  expect(await ask({}, stranger)).toEqual(refused('NOT_A_MEMBER'));
  expect(await ask({ epoch: epoch(2) })).toEqual(refused('ANOTHER_CLUSTER'));
  const other = '9'.repeat(64) as ClusterId;
  expect(await ask({ clusterId: other })).toEqual(refused('ANOTHER_CLUSTER'));
  const many = Array.from({ length: MARKS_MAX + 1 }, () => ({ index, link }));
  expect(await ask({ marks: many })).toEqual(refused('TOO_MANY_MARKS'));
  const hostile = [2 ** 53, -1, 0, 0.5, Number.NaN, Number.POSITIVE_INFINITY, index + 1, 1e300];
  const marks = hostile.map((at) => ({ index: at, link }));
  expect(await ask({ marks })).toEqual({ kind: 'confirmed' });
  const links = [new Uint8Array(32), new Uint8Array(0), new Uint8Array(31), new Uint8Array(4096)];
  expect(await ask({ marks: links.map((wrong) => ({ index, link: wrong })) })).toEqual({
    kind: 'confirmed',
  });
  const asked = follower(world).replica.cluster;
  const request = { clusterId, epoch: epoch(1), marks: [{ index, link }] };
  const from = leaderOf(world).self.incarnation;
  expect(await asked?.confirmLog(request, from)).toEqual({ kind: 'not-leader' });
  // A leader that nobody confirms any more says nothing.
  const old = leaderOf(world);
  for (const slot of THREE) if (slot !== old.slot) world.cut.add(`${old.slot}>${slot}`);
  expect(await ask({})).toEqual({ kind: 'not-leader' });
});

it('never goes beyond what was asked for and confirmed, whatever is answered', async () => {
  const world = await founded();
  await write(world, 3);
  const victim = follower(world);
  world.kill(victim);
  const former = copyOf(victim);
  const last = replayed(former).mark?.index ?? 0;
  await write(world, 3);
  for (const node of world.live()) {
    const { cluster } = node.replica;
    if (cluster !== undefined)
      cluster.confirmLog = () => Promise.resolve({ kind: 'confirmed', index: last + 1 });
  }
  const newcomer = world.start(victim.slot, { former });
  await joined(world, newcomer);
  expect(newcomer.replica.cluster?.reusedIndex).toBe(0);
  expect(eventsOf(newcomer, world)).toContain('"reason":"no mark confirmed"');
});

it('asks about few marks: dense at the end, sparse before, the snapshot at last', () => {
  const chain = new LogChain(sha256);
  const link = chain.genesis();
  const entries = Array.from({ length: 50_000 }, (_, at): Entry => {
    return { index: at + 11, term: 3, type: 'EntryNormal', data: utf8(String(at)) };
  });
  const confState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };
  const metadata = { index: 10, term: 2, confState: { ...confState, autoLeave: false } };
  const snapshot = { data: utf8(''), metadata };
  chain.reset(10, link);
  chain.append(entries);
  const mark = { index: 50_010, term: 3, link: chain.at(50_010) ?? utf8('') };
  const state = { snapshot, snapshotLink: link, hardState: undefined, entries, mark };
  const marks = marksOf(state, sha256);
  expect(marks.length).toBeLessThanOrEqual(MARKS_MAX);
  expect(marks.slice(0, 16).map(({ index }) => index)).toEqual(
    Array.from({ length: 16 }, (_, at) => 50_010 - at),
  );
  expect(marks.at(-1)).toEqual({ index: 10, term: 2, link });
  expect(marks.every(({ index, link: own }) => chain.confirms(index, own))).toBe(true);
  // A leader confirms nothing that is not committed, and nothing that it has forgotten.
  expect(confirmedIndex(marks, chain, 50_005)).toBe(50_005);
  chain.compact(50_007);
  expect(confirmedIndex(marks, chain, 50_005)).toBeUndefined();
});
