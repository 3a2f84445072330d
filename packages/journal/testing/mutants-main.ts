/**
 * Tests the tests: `npm run journal:mutants [-- --only NAME] [--json]`. Seeds one bug at a time in
 * a copy of the package and tells which test noticed it. Exits with 1 if a bug survives or cannot
 * be seeded, or if a test fails without one.
 */
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant } from './mutants/table.ts';
import { WorkCopy } from './mutants/work-copy.ts';

interface Verdict {
  readonly name: string;
  readonly breaks: string;
  readonly killed: boolean;
  readonly detail: string;
}

const HELP = `Seeds bugs in the journal, one at a time, and tells which test noticed each.

  npm run journal:mutants
  npm run journal:mutants -- --only acknowledge-before-sync --json
`;

function judge(copy: WorkCopy, mutant: Mutant): Verdict {
  const { name, breaks } = mutant;
  try {
    const noticed = copy.judge(mutant);
    return { name, breaks, killed: noticed !== undefined, detail: noticed ?? '' };
  } catch (error) {
    return { name, breaks, killed: false, detail: String(error) };
  }
}

function run(mutants: readonly Mutant[], json: boolean): number {
  const copy = new WorkCopy();
  try {
    const unmutated = copy.run();
    if (unmutated !== undefined) throw new Error(`a test fails without a bug: ${unmutated}`);
    const verdicts = mutants.map((mutant) => {
      const verdict = judge(copy, mutant);
      const word = verdict.killed ? 'KILLED  ' : 'SURVIVED';
      if (!json) console.log(`${word} ${verdict.name}: ${verdict.detail || verdict.breaks}`);
      return verdict;
    });
    const passed = verdicts.filter(({ killed }) => killed).length;
    const failed = verdicts.length - passed;
    if (json) console.log(JSON.stringify({ verdicts, passed, failed }, undefined, 2));
    else console.log(`${passed} passed, ${failed} failed`);
    return failed > 0 || passed === 0 ? 1 : 0;
  } finally {
    copy.remove();
  }
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
const names = values.only ?? [];
const unknown = names.find((name) => !MUTANTS.some((mutant) => mutant.name === name));
if (values.help === true) console.log(HELP);
else if (unknown === undefined) {
  const chosen = names.length === 0 ? MUTANTS : MUTANTS.filter(({ name }) => names.includes(name));
  process.exitCode = run(chosen, values.json ?? false);
} else {
  console.error(`no seeded bug ${unknown}`);
  process.exitCode = 2;
}
