/** `npm run drill:random`: many random drills, one after the other. Ends with 1 when one fails. */
import { parseArgs } from 'node:util';
import { ACTS, randomDrill, type RandomDrill } from './random-drill.ts';

const USAGE = `Usage: npm run drill:random -- [--runs N] [--seed S] [--steps N] [--json]

Clusters in memory, in virtual time, under a host that kills, rolls back, wipes, clones, pauses,
cuts and ends everything, in random order; owners recover what is lost as a whole. Nothing
acknowledged may be lost. What fails is named with its seed: --runs 1 --seed S plays it again.

Exit codes: 0 everything held, 1 something did not, 2 wrong options.

Example: npm run -s drill:random -- --runs 1000 --seed 1
`;

const REPORT_MS = 10_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      steps: { type: 'string', default: '8' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [runs = 0, seed = 0, steps = 0] = [values.runs, values.seed, values.steps].map(Number);
  if (![runs, seed, steps].every((value) => Number.isInteger(value) && value > 0)) {
    process.stderr.write(`--runs, --seed and --steps are numbers from 1 on\n${USAGE}`);
    return 2;
  }
  const drills: RandomDrill[] = [];
  const startMs = performance.now();
  let reportMs = startMs;
  for (let run = 0; run < runs; run += 1) {
    const drill = await randomDrill({ seed: seed + run, steps });
    drills.push(drill);
    if (drill.failure !== undefined) {
      process.stderr.write(`seed ${drill.seed}: ${drill.acts.join(', ')}\n${drill.failure}\n`);
    }
    if (performance.now() - reportMs < REPORT_MS) continue;
    reportMs = performance.now();
    process.stderr.write(`${run + 1} of ${runs} drills\n`);
  }
  const failed = drills.filter(({ failure }) => failure !== undefined);
  const sum = (of: (drill: RandomDrill) => number): number =>
    drills.reduce((total, drill) => total + of(drill), 0);
  const summary = {
    ok: failed.length === 0,
    runs,
    seed,
    steps,
    durationMs: Math.round(performance.now() - startMs),
    acknowledged: sum(({ acknowledged }) => acknowledged),
    recoveries: sum(({ recoveries }) => recoveries),
    keptShut: sum(({ keptShut }) => keptShut),
    acts: Object.fromEntries(
      ACTS.map((act) => [act, sum(({ acts }) => acts.filter((one) => one === act).length)]),
    ),
    failed: failed.map(({ seed: of, failure }) => ({ seed: of, failure })),
  };
  if (values.json === true) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else {
    const { acknowledged, recoveries, keptShut } = summary;
    const seconds = (summary.durationMs / 1000).toFixed(0);
    process.stdout.write(
      `${runs} random drills of ${steps} acts from seed ${seed}, in ${seconds} s\n` +
        `  ${acknowledged} updates acknowledged, ${recoveries} full recoveries, ` +
        `${keptShut} times kept shut\n` +
        `${runs - failed.length} passed, ${failed.length} failed\n`,
    );
  }
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
