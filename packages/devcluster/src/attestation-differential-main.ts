/**
 * `npm run attestation:differential -- DIR|FILE…`: compares verdicts with another implementation.
 * Ends with 1 when a difference has no explanation.
 */
import { parseArgs } from 'node:util';
import {
  compare,
  comparisonsBelow,
  EXPLANATIONS,
  type Difference,
} from './attestation-differential.ts';

const USAGE = `Usage: npm run attestation:differential -- [--json] DIR|FILE…

Verifies every TDX quote of the index files with Witan and with @phala/dcap-qvl. Differences that
are known and explained pass; any other fails.

Example: npm run -s attestation:differential -- --json ../shared/vectors/attestation
`;

function show({ name, ours, theirs, explanations }: Difference): string {
  const verdict = explanations.length === 0 ? 'UNEXPLAINED' : 'explained  ';
  const reasons = explanations.map((reason) => `\n    because ${reason}`).join('');
  return `${verdict}  ${name}\n    ours:   ${ours}\n    theirs: ${theirs}${reasons}`;
}

function main(): number {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.help === true || positionals.length === 0) {
    (values.help === true ? process.stdout : process.stderr).write(USAGE);
    return values.help === true ? 0 : 2;
  }
  const comparisons = comparisonsBelow(positionals);
  const differences = comparisons.flatMap((comparison) => compare(comparison) ?? []);
  const failed = differences.filter(({ explanations }) => explanations.length === 0).length;
  const passed = comparisons.length - failed;
  if (values.json === true) {
    const rules = EXPLANATIONS.map(({ name }) => name);
    console.log(JSON.stringify({ compared: comparisons.length, differences, rules, failed }));
  } else {
    for (const difference of differences) console.log(show(difference));
    console.log(`${differences.length} of ${comparisons.length} differ`);
    console.log(`${passed} passed, ${failed} failed`);
  }
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = main();
