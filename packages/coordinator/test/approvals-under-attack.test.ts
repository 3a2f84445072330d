/**
 * Owners who approve a step one by one, at different replicas, through a host that drops and
 * reorders what replicas say and kills leaders: the step is taken once, with the approvals that
 * were acknowledged, or not at all (I3, I6).
 */
import { describe, expect, it } from 'vitest';
import { rotationText } from '@witan/manifest';
import type { Node } from '@witan/replica/testing';
import { RotatingWorld, type Asked } from './support/rotating-world.ts';

/** Two of three owners have to agree. */
async function founded(seed: number): Promise<RotatingWorld> {
  const world = new RotatingWorld(seed, 2);
  await world.found();
  return world;
}

function kindOf(asked: Asked): string {
  if (asked === 'lost') return 'lost';
  return asked.result.kind === 'refused' ? asked.result.code : asked.result.kind;
}

/** Every replica holds the same state, with these steps. */
async function expectSteps(world: RotatingWorld, steps: readonly string[]): Promise<void> {
  world.lossShare = 0;
  await world.whole();
  const states = world.live().map((node) => world.stateOf(node));
  for (const state of states) {
    expect(state.rotations.records.map(({ step }) => rotationText(step))).toEqual(steps);
    expect(state.encodeSnapshot()).toEqual(states[0]?.encodeSnapshot());
  }
}

function nodes(world: RotatingWorld): readonly [Node, Node, Node] {
  const leader = world.leading();
  const [one, other] = world.live().filter((node) => node !== leader);
  if (one === undefined || other === undefined) throw new Error('three replicas');
  return [leader, one, other];
}

describe('approvals of one step', () => {
  it.each([21, 22, 23])(
    'sent by all owners at once, at all replicas, through a lossy network: taken once (%d)',
    async (seed) => {
      const world = await founded(seed);
      const [alice, bob, carol] = await Promise.all(
        (['alice', 'bob', 'carol'] as const).map((name) => world.approvalOf(name, 'sealing')),
      );
      if (!alice || !bob || !carol) throw new Error('three approvals');
      const [leader, one, other] = nodes(world);
      world.lossShare = 0.2;
      const asked = await Promise.all([
        world.ask(other, alice),
        world.ask(one, bob),
        world.ask(leader, carol),
        // A copy that the host sends again, elsewhere.
        world.ask(one, alice),
      ]);
      const kinds = asked.map(kindOf);
      expect(kinds.filter((kind) => kind === 'rotated').length).toBeGreaterThan(0);
      for (const kind of kinds) {
        expect(['approval-recorded', 'rotated', 'ROTATION_NUMBER_STALE']).toContain(kind);
      }
      await expectSteps(world, ['sealing']);
      expect(world.stateOf(world.leading()).proposals).toEqual([]);
      // And after it took effect, by whichever way.
      for (const late of [alice, bob, carol]) {
        const again = { ...late, requestKey: world.nextKey() };
        expect(kindOf(await world.ask(world.leading(), again))).toBe('ROTATION_NUMBER_STALE');
      }
      await expectSteps(world, ['sealing']);
    },
  );

  it.each([31, 32, 33])('of two that race to the threshold one is taken (%d)', async (seed) => {
    const world = await founded(seed);
    const [leader, one, other] = nodes(world);
    for (const words of ['sealing', 'mesh-ca prepare']) {
      const first = await world.ask(leader, await world.approvalOf('alice', words));
      expect(kindOf(first)).toBe('approval-recorded');
    }
    const bob = await world.approvalOf('bob', 'sealing');
    const carol = await world.approvalOf('carol', 'mesh-ca prepare');
    world.lossShare = 0.2;
    const asked = await Promise.all([world.ask(one, bob), world.ask(other, carol)]);
    expect(asked.map(kindOf).toSorted()).toEqual(['ROTATION_NUMBER_STALE', 'rotated']);
    const won = kindOf(asked[0]) === 'rotated' ? 'sealing' : 'mesh-ca prepare';
    await expectSteps(world, [won]);
    expect(world.stateOf(world.leading()).proposals).toEqual([]);
  });

  it('that were acknowledged outlive the leader that took them (I3)', async () => {
    const world = await founded(41);
    const [leader, one] = nodes(world);
    const first = await world.ask(one, await world.approvalOf('alice', 'root prepare'));
    expect(kindOf(first)).toBe('approval-recorded');
    world.kill(leader);
    await world.until(() => world.leader() !== undefined && world.leader() !== leader);
    await world.until(() => world.stateOf(world.leading()).proposals.length > 0);
    const last = await world.ask(world.leading(), await world.approvalOf('bob', 'root prepare'));
    expect(kindOf(last)).toBe('rotated');
    await expectSteps(world, ['root prepare']);
    expect(world.stateOf(world.leading()).rotations.records[0]?.approvals).toHaveLength(2);
  });

  it('that were withdrawn do not count when a host sends them again, anywhere', async () => {
    const world = await founded(51);
    const [leader, one, other] = nodes(world);
    const seen = await world.approvalOf('alice', 'sealing');
    expect(kindOf(await world.ask(one, seen))).toBe('approval-recorded');
    const taken = await world.ask(other, await world.withdrawalOf('alice', seen));
    expect(kindOf(taken)).toBe('approval-withdrawn');
    for (const node of [leader, one, other]) {
      const replay = { ...seen, requestKey: world.nextKey() };
      expect(kindOf(await world.ask(node, replay))).toBe('APPROVAL_WITHDRAWN');
    }
    expect(kindOf(await world.ask(one, await world.approvalOf('bob', 'sealing')))).toBe(
      'approval-recorded',
    );
    await expectSteps(world, []);
  });
});
