/**
 * Members of two builds in one cluster: nothing is proposed that one of them could not apply, and
 * once it is in use nobody comes in who could not (decision record 0076). The driver, Raft, state
 * machine and admission are real; an older build is one that announces an older version, or none.
 */
import { describe, expect, it } from 'vitest';
import type { Node } from '@witan/replica/testing';
import { STATE_VERSION } from '@witan/state-machine';
import type { Operation } from '../src/operations.ts';
import { RotatingWorld, type Asked } from './support/rotating-world.ts';

const OLD = { version: STATE_VERSION - 1 };

function refusal(slot: string, found: string) {
  const expected = `state version ${STATE_VERSION} or later`;
  return {
    result: { kind: 'refused', code: 'MEMBER_VERSION_TOO_OLD', path: slot, expected, found },
  };
}

function take(world: RotatingWorld, words = 'secret queue'): Promise<Asked> {
  return world.ask(world.leading(), world.stepOf(words));
}

const inUse = (world: RotatingWorld): readonly number[] =>
  world.live().map((node) => world.stateOf(node).versions.inUse);

/** Every replica holds the same state, byte for byte. */
async function expectOneState(world: RotatingWorld): Promise<void> {
  await world.whole();
  const states = world.live().map((node) => world.stateOf(node).encodeSnapshot());
  for (const state of states) expect(state).toEqual(states[0]);
}

function told(world: RotatingWorld, slot: string, event: string): readonly string[] {
  return world.events.filter((line) => line.includes(`${slot} ${event}`));
}

async function replace(world: RotatingWorld, slot: string, version: number): Promise<Node> {
  world.kill(world.at(slot));
  const node = world.start(slot, { version, holdsSealedState: true });
  await world.until(() => node.replica.phase() === 'serving');
  return node;
}

describe('what a member of an older build could not apply', () => {
  it('is refused by slot, found and needed version, and leaves nothing in the log', async () => {
    const world = new RotatingWorld(1);
    await world.foundOf({ 'witan-2': OLD.version });
    const before = world.stateOf(world.leading()).appliedIndex;
    expect(await take(world, 'sealing')).toMatchObject(refusal('witan-2', String(OLD.version)));
    expect(world.stateOf(world.leading()).appliedIndex).toBe(before);
    expect(inUse(world)).toEqual([0, 0, 0]);
    const [state] = world.live().map((node) => world.stateOf(node).encodeSnapshot());
    // So that the older build can read it.
    expect(state?.[0]).toBe(7);
    // With its place taken by the newer build the same request goes through, at every replica.
    await replace(world, 'witan-2', STATE_VERSION);
    expect(await take(world, 'sealing')).toMatchObject({ result: { kind: 'rotated', number: 1 } });
    await world.whole();
    expect(inUse(world)).toEqual([STATE_VERSION, STATE_VERSION, STATE_VERSION]);
    await expectOneState(world);
  });

  it('is not brought into use by somebody without the owners’ word', async () => {
    const world = new RotatingWorld(3);
    await world.foundOf({});
    const step = world.stepOf('sealing') as Operation & { kind: 'rotate' };
    const forged = { ...step, step: { target: 'secret', name: 'other' } } as const;
    expect(await world.ask(world.leading(), forged)).toMatchObject({ result: { kind: 'refused' } });
    expect(inUse(world)).toEqual([0, 0, 0]);
  });
});

describe('a newcomer of an older build', () => {
  it('is let in while nothing newer is in use: one can go back', async () => {
    const world = new RotatingWorld(4);
    await world.foundOf({});
    const node = await replace(world, 'witan-1', OLD.version);
    expect(node.replica.phase()).toBe('serving');
    expect(await take(world, 'sealing')).toMatchObject(refusal('witan-1', String(OLD.version)));
  });

  it('is refused once it is, with the versions in the log of both ends (I2)', async () => {
    const world = new RotatingWorld(5);
    await world.found();
    expect(await take(world, 'sealing')).toMatchObject({ result: { kind: 'rotated' } });
    await world.whole();
    const follower = world.live().find((node) => node !== world.leading());
    const slot = follower?.slot ?? '';
    world.kill(follower as Node);
    const old = world.start(slot, { ...OLD, holdsSealedState: true });
    await world.until(() => told(world, slot, 'not admitted').length > 2);
    const { slot: leader } = world.leading();
    const [line] = told(world, leader, 'newcomer of an older state version refused');
    const versions = `"found":${OLD.version},"needed":${STATE_VERSION}`;
    expect(line).toContain(versions);
    expect(line).toContain(`"peer":"${slot}"`);
    expect(told(world, slot, 'not admitted')[0]).toContain(`"VERSION_TOO_OLD",${versions}`);
    expect(old.replica.cluster).toBeUndefined();
    const members = world.clusterOf(world.leading()).members();
    expect(members.map(({ incarnation }) => incarnation)).not.toContain(old.self.incarnation);
    // A host that kills the leader as well finds no next one that has forgotten it.
    world.kill(old);
    await world.whole();
    const before = world.leading();
    world.kill(before);
    await world.until(() => world.leader() !== undefined);
    const again = world.start(before.slot, { ...OLD, holdsSealedState: true });
    await world.until(() => told(world, before.slot, 'not admitted').length > 0);
    expect(told(world, before.slot, 'not admitted').at(-1)).toContain(versions);
    expect(again.replica.cluster).toBeUndefined();
    world.kill(again);
    await expectOneState(world);
  });

  it.each([10, 11, 12, 13, 14, 15])(
    'and what it could not apply come one before the other, whatever the host delays (%d)',
    async (seed) => {
      const world = new RotatingWorld(seed);
      await world.foundOf({});
      const follower = world.live().find((node) => node !== world.leading()) as Node;
      world.kill(follower);
      const step = world.stepOf('sealing');
      const old = world.start(follower.slot, { ...OLD, holdsSealedState: true });
      for (let passed = 0; passed < (seed % 6) * 200; passed += 1) await world.until(() => true);
      const asked = await world.ask(world.leading(), step);
      const isTaken = asked !== 'lost' && asked.result.kind === 'rotated';
      if (!isTaken) expect(asked).toMatchObject(refusal(follower.slot, String(OLD.version)));
      for (const node of world.live().filter((one) => one !== old)) {
        const { versions, members } = world.stateOf(node);
        const isIn = members.some(({ incarnation }) => incarnation === old.self.incarnation);
        expect(versions.inUse > 0 && isIn).toBe(false);
      }
      expect(world.fatal).toEqual([]);
    },
  );
});

it('notes members that come later, so that the next leader knows them unheard', async () => {
  const world = new RotatingWorld(6);
  await world.found();
  const node = await replace(world, 'witan-1', STATE_VERSION);
  await world.until(() =>
    world
      .live()
      .every((one) => world.stateOf(one).versions.of(node.self.incarnation) === STATE_VERSION),
  );
  await expectOneState(world);
});
