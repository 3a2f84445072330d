/** A few random drills; `npm run drill:random` plays as many as wanted. */
import { describe, expect, it } from 'vitest';
import { randomDrill } from '../testing/random-drill.ts';

describe('a random drill', () => {
  it.each([1, 2, 3])(
    'loses nothing acknowledged, whatever the host does (I3): seed %i',
    async (seed) => {
      const drill = await randomDrill({ seed });
      expect(drill.failure).toBeUndefined();
      expect(drill.acts).toHaveLength(8);
      expect(drill.acknowledged).toBeGreaterThanOrEqual(9);
    },
  );

  it('plays a seed the same way each time, and another one differently', async () => {
    const [first, again, other] = [
      await randomDrill({ seed: 4, steps: 3 }),
      await randomDrill({ seed: 4, steps: 3 }),
      await randomDrill({ seed: 5, steps: 3 }),
    ];
    expect(again).toEqual(first);
    expect(other.acts).not.toEqual(first.acts);
  });

  it('notices what is lost', async () => {
    const { failure } = await randomDrill({ seed: 1, steps: 1, forget: true });
    expect(failure).toContain('lost acknowledged generation');
  });
});
