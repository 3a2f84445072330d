/**
 * Runs random clusters: `node cluster-main.ts [--seeds N] [--first SEED] [--events N]`.
 * Prints a line per seed that failed and a summary; exits with 1 if any did.
 */
import { parseArgs } from 'node:util';
import { Cluster } from '../test/support/cluster.ts';

const SETTLE_ROUNDS_MAX = 3000;

/** @returns what went wrong, or undefined */
function runSeed(seed: number, events: number): string | undefined {
  const cluster = new Cluster({
    seed,
    asyncStorageWrites: seed % 2 === 1,
    preVote: seed % 3 !== 0,
    checkQuorum: seed % 5 !== 0,
  });
  try {
    for (let i = 0; i < events; i += 1) cluster.event();
    return cluster.settle(SETTLE_ROUNDS_MAX) ? undefined : 'no agreement after healing';
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return `${what} (after ${cluster.trace.length} events)`;
  }
}

function run(first: number, seeds: number, events: number): number {
  let failed = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const problem = runSeed(seed, events);
    if (problem === undefined) continue;
    failed += 1;
    console.log(`FAIL seed ${seed}: ${problem}`);
  }
  console.log(`${seeds - failed} passed, ${failed} failed`);
  return failed > 0 || seeds < 1 ? 1 : 0;
}

const { values } = parseArgs({
  options: {
    first: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '20' },
    events: { type: 'string', default: '4000' },
  },
});
process.exitCode = run(Number(values.first), Number(values.seeds), Number(values.events));
