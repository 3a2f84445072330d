/**
 * Rotation of the seed in a cluster of three: whatever dies on the way, the next seed is in force
 * everywhere or nowhere, and the former one opens and signs nothing that comes after (I1, I4, I6).
 */
import { describe, expect, it } from 'vitest';
import { parseReferenceValues } from '@witan/attestation';
import { toHex } from '@witan/core';
import { deriveHistorySigningKey, nodeCrypto, seedFromBytes, spkiOf } from '@witan/keys';
import { rotationText } from '@witan/manifest';
import { decodeSeeds, encodeSeeds } from '@witan/replica';
import { replayFormerLog, type Node } from '@witan/replica/testing';
import { RotatingWorld, type Asked } from './support/rotating-world.ts';

const ALL = { secrets: [{ name: 'db', keep: 1 }], recovers: true } as const;

function refusal(asked: Asked): unknown {
  return asked === 'lost' ? asked : asked.result;
}

async function step(world: RotatingWorld, words: string): Promise<void> {
  const asked = await world.ask(world.leading(), world.stepOf(words));
  expect(refusal(asked)).toMatchObject({ kind: 'rotated' });
  await world.whole();
}

const seedsOf = (world: RotatingWorld, node: Node = world.leading()) =>
  world.stateOf(node).rotations.seeds;

/** The commitment that owners approve, once every member holds the next seed. */
async function heldByAll(world: RotatingWorld): Promise<string> {
  await world.until(() => {
    const leader = world.leader();
    if (leader === undefined) return false;
    const { candidate } = seedsOf(world, leader);
    const { members } = world.stateOf(leader);
    return members.every(({ incarnation }) => candidate?.holders.includes(incarnation) === true);
  });
  return seedsOf(world).candidate?.commitment ?? expect.fail();
}

async function activated(world: RotatingWorld): Promise<void> {
  await step(world, 'seed prepare');
  await step(world, `seed activate ${await heldByAll(world)}`);
}

/** All who live hold the same, and seal and sign with it. */
function checkInForce(world: RotatingWorld, number: number): void {
  for (const node of world.live()) {
    const { clusterId, historyPublicKey } = world.stateOf(node);
    const seed = world.clusterOf(node).seeds.of(number) ?? expect.fail();
    const key = deriveHistorySigningKey(seedFromBytes(seed.expose()), clusterId);
    expect(toHex(historyPublicKey ?? expect.fail())).toBe(toHex(spkiOf(key)));
    expect(world.generations.get(node.self.incarnation)?.seedNumber).toBe(number);
    expect(seedsOf(world, node).number).toBe(number);
  }
}

async function everythingElse(world: RotatingWorld): Promise<void> {
  for (const ca of ['mesh-ca', 'root']) {
    for (const words of ['prepare', 'activate', 'retire']) await step(world, `${ca} ${words}`);
  }
  await step(world, 'secret db');
}

describe('a rotation of the seed', () => {
  it('puts the next seed into force everywhere, and then forgets the former one', async () => {
    const world = new RotatingWorld(1, ALL);
    await world.found();
    const [before] = world.stateOf(world.leading()).shares.header?.shares ?? [];
    await activated(world);
    checkInForce(world, 2);
    const { shares, rotations } = world.stateOf(world.leading());
    expect(shares.resharing).toBe(2);
    expect(shares.header?.shares[0]?.commitment).not.toBe(before?.commitment);
    expect(rotations.secretVersion('db')).toBe(2);
    expect(rotations.seeds.ofSecret('db', 1)).toBe(1);
    expect(rotations.seeds.ofSecret('db', 2)).toBe(2);
    const early = await world.ask(world.leading(), world.stepOf('seed retire'));
    expect(refusal(early)).toMatchObject({
      code: 'ROTATION_SEED_NEEDED',
      found: 'root, mesh-ca, secret db',
    });
    await everythingElse(world);
    await step(world, 'seed retire');
    for (const node of world.live()) {
      const { seeds } = world.clusterOf(node);
      expect(seeds.of(1)).toBeUndefined();
      expect(seeds.of(2)).toBeDefined();
    }
    // And whoever comes now is given the seed in force, and what proves the cluster id.
    world.kill(world.live().find((node) => node !== world.leader()) ?? expect.fail());
    await world.whole();
    checkInForce(world, 2);
    await step(world, 'sealing');
    expect(world.fatal).toEqual([]);
  });

  it('can follow another one', async () => {
    const world = new RotatingWorld(2, ALL);
    await world.found();
    await activated(world);
    await everythingElse(world);
    await step(world, 'seed retire');
    await activated(world);
    checkInForce(world, 3);
    const { seeds } = world.stateOf(world.leading()).rotations;
    expect([1, 2, 3, 4].map((version) => seeds.ofSecret('db', version))).toEqual([1, 2, 2, 3]);
    expect(world.fatal).toEqual([]);
  });

  it('is taken in its order, and by the commitment of the seed that all hold', async () => {
    const world = new RotatingWorld(3, ALL);
    await world.found();
    const wrong = `seed activate ${'ab'.repeat(32)}`;
    for (const words of ['seed retire', wrong]) {
      const asked = await world.ask(world.leading(), world.stepOf(words));
      expect(refusal(asked)).toMatchObject({ code: 'ROTATION_STEP_REFUSED' });
    }
    await step(world, 'root prepare');
    const beside = await world.ask(world.leading(), world.stepOf('seed prepare'));
    expect(refusal(beside)).toMatchObject({
      code: 'ROTATION_STEP_REFUSED',
      found: 'a CA prepared',
    });
    for (const words of ['root activate', 'root retire', 'seed prepare']) await step(world, words);
    await heldByAll(world);
    for (const words of ['seed prepare', 'mesh-ca prepare']) {
      const asked = await world.ask(world.leading(), world.stepOf(words));
      expect(refusal(asked)).toMatchObject({ code: 'ROTATION_STEP_REFUSED' });
    }
    const asked = await world.ask(world.leading(), world.stepOf(wrong));
    expect(refusal(asked)).toMatchObject({ code: 'ROTATION_SEED_COMMITMENT' });
    expect(world.fatal).toEqual([]);
  });
});

describe('a leader that dies while the next seed is handed out', () => {
  it.each([
    ['before anybody has it', (_from: string, _to: string) => true],
    ['when one has it', (_from: string, to: string) => to === 'witan-2' || to === 'witan-0'],
  ])('%s, is followed by one that does it', async (_when, losesSeeds) => {
    const world = new RotatingWorld(4, ALL);
    await world.found();
    world.losesSeeds = losesSeeds;
    await step(world, 'seed prepare');
    await world.until(() => world.events.some((event) => event.includes('not handed out yet')));
    expect(seedsOf(world).candidate).toBeUndefined();
    const asked = await world.ask(world.leading(), world.stepOf(`seed activate ${'0'.repeat(64)}`));
    expect(refusal(asked)).toMatchObject({ code: 'ROTATION_SEED_COMMITMENT' });
    world.kill(world.leading());
    world.losesSeeds = () => false;
    await world.until(() => world.leader() !== undefined);
    await world.whole();
    await step(world, `seed activate ${await heldByAll(world)}`);
    checkInForce(world, 2);
    expect(world.fatal).toEqual([]);
  });

  it('after all have it, leaves it to those who have it', async () => {
    const world = new RotatingWorld(5, ALL);
    await world.found();
    await step(world, 'seed prepare');
    const commitment = await heldByAll(world);
    world.kill(world.leading());
    await world.until(() => world.leader() !== undefined);
    await world.whole();
    expect(await heldByAll(world)).toBe(commitment);
    await step(world, `seed activate ${commitment}`);
    checkInForce(world, 2);
    expect(world.fatal).toEqual([]);
  });
});

describe('a member that does not hold the next seed', () => {
  it('is waited for by name, also when it has come since all had it (I2)', async () => {
    const world = new RotatingWorld(6, ALL);
    await world.found();
    await step(world, 'seed prepare');
    const commitment = await heldByAll(world);
    const replaced = world.live().find((node) => node !== world.leader()) ?? expect.fail();
    world.losesSeeds = () => true;
    world.kill(replaced);
    await world.whole();
    const operation = world.stepOf(`seed activate ${commitment}`);
    const asked = await world.ask(world.leading(), operation);
    expect(refusal(asked)).toMatchObject({
      code: 'ROTATION_SEED_HOLDERS_MISSING',
      path: replaced.slot,
    });
    world.losesSeeds = () => false;
    await step(world, `seed activate ${await heldByAll(world)}`);
    checkInForce(world, 2);
    expect(world.fatal).toEqual([]);
  });
});

describe('a leader that dies in seed activate', () => {
  it('leaves a log that says whether the step was applied (I3)', async () => {
    for (const [moment, appliedSeed] of [
      ['proposed', 1],
      ['applied', 2],
    ] as const) {
      const world = new RotatingWorld(7, ALL);
      await world.found();
      await step(world, 'seed prepare');
      const operation = world.stepOf(`seed activate ${await heldByAll(world)}`);
      const dying = world.leading();
      const cluster = world.clusterOf(dying);
      world.arm(moment);
      expect(await world.ask(dying, operation)).toBe('lost');
      const { machine } = cluster.state;
      const options = { crypto: nodeCrypto, machine: { parseReferenceValues }, onEvent: () => 0 };
      const { held } = replayFormerLog(cluster.formerLog(), options);
      expect(machine.rotations.seeds.number).toBe(appliedSeed);
      expect(held).toMatchObject({ seedNumber: 2, appliedSeed });
    }
  });

  it('leaves the others’ logs under the seed that they know (I3)', async () => {
    const world = new RotatingWorld(7, ALL);
    await world.found();
    await step(world, 'seed prepare');
    const operation = world.stepOf(`seed activate ${await heldByAll(world)}`);
    const dying = world.leading();
    world.arm('proposed');
    expect(await world.ask(dying, operation)).toBe('lost');
    const former = world.clusterOf(world.live()[0] ?? expect.fail()).formerLog();
    const { seeds, candidates } = decodeSeeds(former.seed);
    // As a survivor tells it whose own log ends with the step: it holds both by number.
    const next = { number: 2, seed: candidates.at(-1) ?? expect.fail() };
    const seed = encodeSeeds({ seeds: [...seeds, next], usableFrom: 1, candidates: [] });
    const options = { crypto: nodeCrypto, machine: { parseReferenceValues }, onEvent: () => 0 };
    const replayed = replayFormerLog({ ...former, seed }, options);
    expect(replayed.held).toMatchObject({ seedNumber: 1, appliedSeed: 1 });
    expect(decodeSeeds(replayed.seed).seeds.map(({ number }) => number)).toEqual([1]);
  });

  it.each(['prepared', 'proposed', 'replicated', 'committed', 'applied'] as const)(
    'once it is %s: the seed comes into force once, everywhere (I3)',
    async (moment) => {
      const world = new RotatingWorld(7, ALL);
      await world.found();
      await step(world, 'seed prepare');
      const commitment = await heldByAll(world);
      const operation = world.stepOf(`seed activate ${commitment}`);
      const dying = world.leading();
      world.arm(moment);
      expect(await world.ask(dying, operation)).toBe('lost');
      await world.until(() => world.leader() !== undefined);
      await world.whole();
      let asked = await world.ask(world.leading(), operation);
      // The successor of the leader that died has to hold the seed first.
      for (let tries = 0; tries < 50 && JSON.stringify(asked).includes('HOLDERS'); tries += 1) {
        await heldByAll(world);
        asked = await world.ask(world.leading(), world.stepOf(`seed activate ${commitment}`));
      }
      expect(refusal(asked)).toMatchObject({ kind: 'rotated', version: 2 });
      await world.whole();
      checkInForce(world, 2);
      const { records } = world.stateOf(world.leading()).rotations;
      expect(records.map((record) => rotationText(record.step).slice(0, 13))).toEqual([
        'seed prepare',
        'seed activate',
      ]);
      expect(world.fatal).toEqual([]);
    },
  );
});
