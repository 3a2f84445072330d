/**
 * `npm run formats:fuzz`: changes good inputs of every parser of keys, approvals, shares, receipts
 * and records, and looks for anything but a typed refusal or a sound result.
 */
import { parseArgs } from 'node:util';
import { fuzzAll } from './fuzz/run.ts';

const USAGE = `Usage: npm run formats:fuzz -- [--runs N] [--only TARGET]… [--seed N] [--json]

Ends with 1 when a parser does something that it must not do, or accepts none of the inputs. A seed
gives the same changes again, to keys that are made anew.

Example: npm run -s formats:fuzz -- --runs 1000000 --seed 7 --only decodeLeaf
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20000' },
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
  const [runs = 0, seed = 0] = [values.runs, values.seed].map(Number);
  if (![runs, seed].every((number) => Number.isInteger(number) && number > 0)) {
    process.stderr.write(`numbers above 0 are needed\n${USAGE}`);
    return 2;
  }
  const results = await fuzzAll(runs, seed, values.only);
  const lines = results.map(({ target, problem, accepted, runs: tried }) => ({
    good: problem === undefined && accepted > 0,
    text: `${target}: ${problem ?? `${tried} inputs, ${accepted} accepted`}`,
  }));
  const failed = lines.filter(({ good }) => !good).length;
  if (values.json === true) console.log(JSON.stringify({ results, failed }));
  else for (const { good, text } of lines) console.log(`${good ? 'passed' : 'FAILED'}  ${text}`);
  if (values.json !== true) console.log(`${lines.length - failed} passed, ${failed} failed`);
  return failed === 0 && lines.length > 0 ? 0 : 1;
}

process.exitCode = await main();
