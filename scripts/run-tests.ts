/**
 * `npm test`: every suite, or those under the paths given as arguments; options go to vitest.
 * The last line is always `N passed, N failed`, summed over the suites, and the exit code is 1
 * unless at least one test ran and none failed. Unit suites go first, because they are quick, and
 * alone, because integration suites start clusters that need the cores.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { TestCounts } from './test-counts-reporter.ts';

const root = join(import.meta.dirname, '..');
/** What runs one after the other: names, and the test projects of each. */
const stages: Readonly<Record<string, readonly string[]>> = {
  unit: ['pure', 'unit'],
  integration: ['integration'],
};
const vectors = '../shared/vectors';

/** Paths relative to the root, as vitest wants its filters; options stay as they are. */
function vitestArguments(argv: readonly string[]): readonly string[] {
  return argv.map((argument) =>
    argument.startsWith('-') || !existsSync(argument) ? argument : relative(root, argument) || '.',
  );
}

function runStage(
  projects: readonly string[],
  argv: readonly string[],
  countsPath: string,
): TestCounts {
  const reporters = ['--reporter=default', '--reporter=./scripts/test-counts-reporter.ts'];
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const chosen = projects.flatMap((project) => ['--project', project]);
  const options = ['run', ...chosen, '--passWithNoTests', ...reporters];
  const { status } = spawnSync(process.execPath, [vitest, ...options, ...argv], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, WITAN_TEST_COUNTS: countsPath },
  });
  const counts = readCounts(countsPath);
  // An exit code without a counted failure is a failure too: a crash, or an error while closing.
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function readCounts(path: string): TestCounts {
  if (!existsSync(path)) return { passed: 0, failed: 0, skipped: 0 };
  const counts = JSON.parse(readFileSync(path, 'utf8')) as TestCounts;
  rmSync(path);
  return counts;
}

function main(argv: readonly string[]): number {
  const directory = mkdtempSync(join(tmpdir(), 'witan-tests-'));
  const total = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const [name, projects] of Object.entries(stages)) {
      console.log(`== ${name} suites ==`);
      const counts = runStage(projects, vitestArguments(argv), join(directory, name));
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  if (!existsSync(join(root, vectors))) {
    console.log(`SKIPPED all vector suites: ${vectors} does not exist`);
  }
  if (total.skipped > 0) console.log(`${total.skipped} skipped`);
  if (total.passed + total.failed === 0) console.log('no test ran');
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.passed > 0 && total.failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
