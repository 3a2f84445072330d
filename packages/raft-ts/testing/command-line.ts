/** What the runners of script files share: arguments, a line per file, the summary, exit codes. */
import { parseArgs } from 'node:util';
import type { Kind } from './kinds.ts';
import { PathError, describeKind, selectScripts } from './list-scripts.ts';
import type { Difference } from './run-file.ts';

/** What came of one file. `total` counts what the summary counts. */
export type FileResult = {
  readonly total: number;
  readonly differences: readonly Difference[];
  /** Why the file could not be run, if it could not. */
  readonly problem?: string | undefined;
};

export type Runner = {
  /** Text of `--help`. */
  readonly help: string;
  readonly kinds: readonly Kind[];
  readonly runFile: (path: string, rewrite: boolean) => FileResult;
};

/** Runs the files that the arguments name. @returns the exit code */
export function runFiles(runner: Runner, args: readonly string[]): number {
  let options;
  try {
    options = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'boolean', default: false },
        rewrite: { type: 'boolean', default: false },
      },
    });
    if (options.values.help) {
      console.log(runner.help);
      return 0;
    }
    return run(runner, options.positionals, options.values);
  } catch (error) {
    const isMisuse = error instanceof PathError || options === undefined;
    if (!isMisuse) throw error;
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    console.error('Try --help.');
    console.log('0 passed, 0 failed');
    return 1;
  }
}

function run(
  runner: Runner,
  paths: readonly string[],
  options: { readonly json: boolean; readonly rewrite: boolean },
): number {
  const { own, left } = selectScripts(paths, runner.kinds);
  let passed = 0;
  let failed = 0;
  const files = own.map((path) => {
    const result = runGuarded(runner, path, options.rewrite);
    const bad = result.problem === undefined ? result.differences.length : result.total;
    passed += result.total - bad;
    failed += bad;
    if (!options.json) printFile(path, result, bad);
    return { file: path, passed: result.total - bad, failed: bad, ...result };
  });
  if (options.json) {
    console.log(JSON.stringify({ files, left, passed, failed }, undefined, 2));
  } else {
    for (const { path, kind } of left) console.log(`LEFT ${path}: ${describeKind(kind)}`);
    console.log(`${passed} passed, ${failed} failed`);
  }
  return failed > 0 || passed === 0 ? 1 : 0;
}

function runGuarded(runner: Runner, path: string, rewrite: boolean): FileResult {
  try {
    return runner.runFile(path, rewrite);
  } catch (error) {
    // A violated invariant of the core, or a mistake in the interpreter: this file has failed.
    const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { total: 1, differences: [], problem };
  }
}

function printFile(path: string, result: FileResult, bad: number): void {
  const { total, differences, problem } = result;
  const count = total === 1 ? '' : ` ${total - bad}/${total}`;
  console.log(`${bad === 0 ? 'PASS' : 'FAIL'} ${path}${count}`);
  if (problem !== undefined) console.log(problem);
  for (const { line, command, expected, found } of differences) {
    console.log(`${path}:${line} ${command}`);
    console.log(`--- expected\n${expected}\n--- found\n${found}\n---`);
  }
}
