/**
 * Tests the tests: `node mutants-main.ts [--only NAME]… [--every-suite] [--json]`.
 * Seeds one bug at a time in a copy of the package and tells which suite noticed it.
 * `--every-suite` goes on after the first. Exits with 1 if a bug survives or cannot be seeded, or
 * if a suite fails without one.
 */
import { parseArgs } from 'node:util';
import type { Mutant } from './mutants/mutant.ts';
import { allSuites, checkUnmutated, judge, type TimeLimits, type Verdict } from './mutants/run.ts';
import { vectorSuites, type Suite } from './mutants/suites.ts';
import { MUTANTS } from './mutants/table.ts';
import { WorkCopy } from './mutants/work-copy.ts';

type Options = {
  readonly everySuite: boolean;
  readonly json: boolean;
  readonly limits?: TimeLimits;
};

function select(names: readonly string[]): readonly Mutant[] {
  const unknown = names.find((name) => !MUTANTS.some((mutant) => mutant.name === name));
  if (unknown !== undefined) throw new Error(`no seeded bug ${unknown}`);
  return names.length === 0 ? MUTANTS : MUTANTS.filter((mutant) => names.includes(mutant.name));
}

function judgeOne(copy: WorkCopy, mutant: Mutant, suites: readonly Suite[], options: Options) {
  const { everySuite, json, limits } = options;
  let verdict: Verdict;
  try {
    verdict = judge(copy, mutant, {
      suites,
      everySuite,
      ...(limits === undefined ? {} : { limits }),
    });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    verdict = { name: mutant.name, breaks: mutant.breaks, killedBy: [], detail };
  }
  if (!json) console.log(describe(verdict));
  return verdict;
}

function describe({ name, breaks, killedBy, detail }: Verdict): string {
  if (killedBy.length > 0) return `KILLED   ${name}: ${killedBy.join(', ')}\n         ${detail}`;
  return `SURVIVED ${name}: ${breaks}${detail === '' ? '' : `\n         ${detail}`}`;
}

function run(mutants: readonly Mutant[], options: Options): number {
  const copy = new WorkCopy();
  try {
    const suites = allSuites();
    if (vectorSuites().length === 0 && !options.json) {
      console.log('SKIPPED  the suites of recorded vectors: they are not present');
    }
    const limits = checkUnmutated(copy, suites);
    const verdicts = mutants.map((mutant) => {
      return judgeOne(copy, mutant, suites, { ...options, limits });
    });
    const passed = verdicts.filter(({ killedBy }) => killedBy.length > 0).length;
    const failed = verdicts.length - passed;
    if (options.json) console.log(JSON.stringify({ verdicts, passed, failed }, undefined, 2));
    else console.log(`${passed} passed, ${failed} failed`);
    return failed > 0 || passed === 0 ? 1 : 0;
  } finally {
    copy.remove();
  }
}

function main(): number {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        'every-suite': { type: 'boolean' },
        json: { type: 'boolean' },
      },
    });
    return run(select(values.only ?? []), {
      everySuite: values['every-suite'] ?? false,
      json: values.json ?? false,
    });
  } catch (error) {
    // Wrong options, a copy that cannot be made, or a suite that fails without a bug.
    console.error(`raft:mutants: ${error instanceof Error ? error.message : String(error)}`);
    console.log('0 passed, 1 failed');
    return 1;
  }
}

process.exitCode = main();
