/**
 * A leader that dies inside a step of a rotation: whoever asked asks again with the same key, and
 * the step is taken once (I3), wherever the leader was.
 */
import { describe, expect, it } from 'vitest';
import { decodeLeaf, rotationText } from '@witan/manifest';
import type { Node } from '@witan/replica/testing';
import type { Operation } from '../src/operations.ts';
import { RotatingWorld, type Asked, type Death, type Moment } from './support/rotating-world.ts';

const STEPS = [
  'sealing',
  'mesh-ca prepare',
  'mesh-ca activate',
  'mesh-ca retire',
  'root prepare',
  'root activate',
  'root retire',
] as const;

const MOMENTS: readonly Moment[] = ['prepared', 'proposed', 'replicated', 'committed', 'applied'];

function numberOf(asked: Asked): number {
  if (asked === 'lost' || asked.result.kind !== 'rotated') {
    return expect.fail(JSON.stringify(asked));
  }
  return asked.result.number;
}

/** What everybody who lives says was rotated. */
function checkTaken(world: RotatingWorld, taken: readonly string[]): void {
  for (const node of world.live()) {
    const { rotations, log } = world.stateOf(node);
    expect(rotations.records.map(({ step }) => rotationText(step))).toEqual(taken);
    const leaves = Array.from({ length: log.size }, (_, at) =>
      decodeLeaf(log.leafBytes(at) ?? expect.fail()),
    );
    const steps = leaves.filter((leaf) => leaf.kind === 'rotation').map(({ step }) => step);
    expect(steps).toEqual(taken);
    const approved = leaves.flatMap((leaf) => (leaf.kind === 'approval' ? [leaf.action] : []));
    expect(approved.filter((action) => action.startsWith('rotation'))).toEqual(
      taken.map((_, at) => `rotation ${at + 1}`),
    );
  }
}

/** CAs are what so many steps make of them, and no step made one more. */
function checkAuthorities(world: RotatingWorld, taken: readonly string[]): void {
  const count = (words: string): number => taken.filter((step) => step === words).length;
  const { root, meshCa, rootLinks } = world.stateOf(world.leading()).rotations;
  expect(root.newest).toBe(count('root prepare'));
  expect(root.active).toBe(count('root activate'));
  expect(rootLinks).toHaveLength(count('root prepare'));
  expect(meshCa.newest).toBe(count('mesh-ca prepare'));
  expect(meshCa.active).toBe(count('mesh-ca activate'));
}

/** Another request for the same place gets a refusal, so no approval is good for two steps. */
async function checkUsedUp(world: RotatingWorld, operation: Operation): Promise<void> {
  const again = { ...operation, requestKey: world.nextKey() };
  const asked = await world.ask(world.leading(), again);
  expect(asked).toMatchObject({ result: { kind: 'refused', code: 'ROTATION_NUMBER_STALE' } });
}

/** Takes a step whose leader dies at that moment. */
async function takeStep(
  world: RotatingWorld,
  words: string,
  moment: Moment,
  through: 'leader' | 'follower',
): Promise<void> {
  const operation = world.stepOf(words);
  const before = world.stateOf(world.leading()).rotations.records.length;
  const dying = world.leading();
  const follower = world.arm(moment);
  let asked = await world.ask(through === 'leader' ? dying : follower, operation);
  expect(world.isArmed, `${moment} was reached`).toBe(false);
  expect(dying.alive).toBe(false);
  expect(world.deaths.at(-1)).toMatchObject(deathAt(moment, before));
  if (through === 'leader') {
    expect(asked).toBe('lost');
    await world.until(() => world.leader() !== undefined);
    await expectFate(world, moment, before);
    asked = await world.ask(world.live()[0] ?? expect.fail(), operation);
  }
  expect(numberOf(asked)).toBe(before + 1);
  await world.whole();
  // Whoever asks a third time, after everything, is told the same.
  const later = await world.ask(world.leading(), operation);
  expect(numberOf(later)).toBe(before + 1);
  await checkUsedUp(world, operation);
}

/** How things have to have stood, or another moment was tested than was meant. */
function deathAt(moment: Moment, before: number): Partial<Death> {
  const none = { applied: before, appliedElsewhere: before };
  switch (moment) {
    case 'prepared':
      return { ...none, committedMore: false, written: [false, false] };
    case 'proposed':
      return { ...none, committedMore: false, written: [true, false] };
    case 'replicated':
      return { ...none, committedMore: false, written: [true, true] };
    case 'committed':
      return { ...none, committedMore: true };
    case 'applied':
      return { applied: before + 1, committedMore: false };
    default:
      return moment satisfies never;
  }
}

/** What the others make of it before anybody asks again. */
async function expectFate(world: RotatingWorld, moment: Moment, before: number): Promise<void> {
  const leader: Node = world.leading();
  await world.settled(world.clusterOf(leader).engine.readBarrier({ timeoutMs: 10_000 }));
  const isKept = moment !== 'prepared' && moment !== 'proposed';
  expect(world.stateOf(leader).rotations.records).toHaveLength(before + (isKept ? 1 : 0));
}

describe('a leader that dies in a step of a rotation', () => {
  const cases = MOMENTS.flatMap((moment) =>
    (['leader', 'follower'] as const).map((through) => [moment, through] as const),
  );
  it.each(cases)(
    'once it is %s, asked through a %s: the step is taken once (I3)',
    async (...how) => {
      const world = new RotatingWorld(cases.findIndex((one) => one.join() === how.join()) + 1);
      await world.found();
      const taken: string[] = [];
      for (const words of STEPS) {
        const generations = () => world.generations.get(world.leading().self.incarnation)?.current;
        const newest = generations() ?? 0;
        await takeStep(world, words, ...how);
        taken.push(words);
        checkTaken(world, taken);
        checkAuthorities(world, taken);
        // One for the member that left, and another one for the step where that came too late.
        const begun = (generations() ?? 0) - newest;
        expect(begun).toBeGreaterThanOrEqual(1);
        expect(begun).toBeLessThanOrEqual(words === 'sealing' ? 2 : 1);
      }
      expect(world.fatal).toEqual([]);
    },
  );
});
