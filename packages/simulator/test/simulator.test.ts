/** Whole clusters from seeds: a short run of `npm run sim`, with its negative control. */
import { expect, it } from 'vitest';
import { minimise } from '../src/minimise.ts';
import { runSeed, type RunResult } from '../src/run.ts';

const LONG_MS = 300_000;

it('plays a seed the same way each time, event for event, another one differently', async () => {
  for (const seed of [3, 4]) {
    const first = await runSeed({ seed, events: 3_000 });
    const again = await runSeed({ seed, events: 3_000 });
    expect(again).toEqual(first);
    const other = await runSeed({ seed: seed + 1_000, events: 3_000 });
    expect(other.hash).not.toBe(first.hash);
  }
});

it(
  'finds nothing wrong in 100 clusters under fire (I2, I3, I4, I5)',
  { timeout: LONG_MS },
  async () => {
    const failures: unknown[] = [];
    const sums = new Map<string, number>();
    for (let seed = 1; seed <= 100; seed += 1) {
      const { failure, counts } = await runSeed({ seed, events: 2_000 });
      if (failure !== undefined) failures.push({ seed, ...failure });
      for (const [key, count] of Object.entries(counts)) {
        sums.set(key, (sums.get(key) ?? 0) + count);
      }
    }
    expect(failures).toEqual([]);
    // The runs did something: they are void otherwise.
    expect(sums.get('acknowledged')).toBeGreaterThan(2_000);
    expect(sums.get('elections')).toBeGreaterThan(130);
    expect(sums.get('reuses')).toBeGreaterThan(2);
    expect(sums.get('faults')).toBeGreaterThan(450);
    expect(sums.get('processes')).toBeGreaterThan(450);
  },
);

/** The negative control: seeds within which a cluster without invariant I2 must be caught. */
const CONTROL_SEEDS = 40;
const BROKEN_PROMISES = [
  'ELECTION_SAFETY',
  'LEADER_COMPLETENESS',
  'COMMITTED_PREFIX',
  'ONE_VOTE_PER_TERM',
  'LOG_MATCHING',
  'COMMITTED_IS_DURABLE (I3)',
  'LINEARIZABLE (I5)',
];

it(
  'catches incarnations that keep vote and log across restarts, and shrinks the schedule (I2)',
  { timeout: LONG_MS },
  async () => {
    let caught: RunResult | undefined;
    for (let seed = 1; seed <= CONTROL_SEEDS && caught === undefined; seed += 1) {
      const result = await runSeed({ seed, events: 4_000, i2: false });
      if (result.failure !== undefined) caught = result;
    }
    if (caught?.failure === undefined) throw new Error('the control was not caught');
    expect(BROKEN_PROMISES).toContain(caught.failure.code);
    const options = { seed: caught.seed, events: 4_000, i2: false };
    const smallest = await minimise(options, caught, 40);
    expect(smallest.faults.length).toBeLessThan(caught.faults.length);
    const keep = new Set(smallest.faults.map(({ number }) => number));
    expect(await runSeed({ ...options, keep })).toEqual(smallest);
  },
);
