/**
 * `npm run attestation:fuzz`: changes good inputs of every parser and looks for anything but a
 * typed refusal or a sound result; then plants bugs and demands that they are found.
 */
import { parseArgs } from 'node:util';
import { fuzzAll, fuzzPlanted } from './fuzz/run.ts';

const USAGE = `Usage: npm run attestation:fuzz -- [--runs N] [--planted-runs N] [--only TARGET]…
         [--seed N] [--json]

Ends with 1 when a parser does something that it must not do, when it accepts none of the inputs, or
when a planted bug is not found. A seed gives the same changes again, to keys that are made anew.
With --only no bugs are planted.

Example: npm run -s attestation:fuzz -- --runs 1000000 --seed 7
`;

function main(): number {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20000' },
      'planted-runs': { type: 'string', default: '50000' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', multiple: true },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const numbers = [values.runs, values['planted-runs'], values.seed].map(Number);
  const [runs = 0, plantedRuns = 0, seed = 0] = numbers;
  if (!numbers.every((number) => Number.isInteger(number) && number > 0)) {
    process.stderr.write(`numbers above 0 are needed\n${USAGE}`);
    return 2;
  }
  const results = fuzzAll(runs, seed, values.only);
  const planted = values.only === undefined ? fuzzPlanted(plantedRuns, seed) : [];
  const lines = [
    ...results.map(({ target, problem, accepted, runs: tried }) => ({
      good: problem === undefined && accepted > 0,
      text: `${target}: ${problem ?? `${tried} inputs, ${accepted} accepted`}`,
    })),
    ...planted.map(({ bug, problem, runs: tried }) => ({
      good: problem !== undefined,
      text: `planted: ${bug}: ${problem === undefined ? 'NOT FOUND' : `found after ${tried}`}`,
    })),
  ];
  const failed = lines.filter(({ good }) => !good).length;
  if (values.json === true) console.log(JSON.stringify({ results, planted, failed }));
  else for (const { good, text } of lines) console.log(`${good ? 'passed' : 'FAILED'}  ${text}`);
  if (values.json !== true) console.log(`${lines.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
