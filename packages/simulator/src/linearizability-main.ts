/**
 * Checks recorded histories: `npm run sim:histories -- FILE…`, also directories. A line for each
 * file, compared with an `expected.json` beside or above it when there is one.
 */
import { readFileSync, readdirSync, statSync, existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { SimulatorError } from './errors.ts';
import { checkLinearizable } from './linearizability/checker.ts';
import { kvModel } from './linearizability/history.ts';
import { HISTORY_BYTES_MAX, parseKvHistory } from './linearizability/porcupine.ts';

/** Checks files and directories. @returns how many had the expected verdict, and how many not */
export function checkPaths(
  paths: readonly string[],
  print: (line: string) => void,
): { readonly passed: number; readonly failed: number } {
  let passed = 0;
  let failed = 0;
  for (const file of paths.flatMap(filesOf)) {
    const { isExpected, line } = checkFile(file);
    print(`${file}: ${line}`);
    if (isExpected) passed += 1;
    else failed += 1;
  }
  return { passed, failed };
}

function checkFile(file: string): { readonly isExpected: boolean; readonly line: string } {
  if (statSync(file).size > HISTORY_BYTES_MAX) return { isExpected: false, line: 'too large' };
  let history;
  try {
    history = parseKvHistory(readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof SimulatorError)) throw error;
    return { isExpected: false, line: `${error.code} ${JSON.stringify(error.fields)}` };
  }
  const startMs = performance.now();
  const verdict = checkLinearizable(kvModel, history);
  const found =
    verdict.kind === 'illegal'
      ? `not linearizable (key ${verdict.key}, operation ${verdict.blocked} cannot be placed)`
      : verdict.kind;
  const cost = `${verdict.steps} steps, ${(performance.now() - startMs).toFixed(1)} ms`;
  const line = `${history.length} operations, ${found}, ${cost}`;
  const expected = expectedOf(file);
  if (expected === undefined) return { isExpected: verdict.kind === 'linearizable', line };
  const isExpected = verdict.kind === (expected ? 'linearizable' : 'illegal');
  return { isExpected, line: `${line}, ${isExpected ? 'as expected' : 'NOT AS EXPECTED'}` };
}

/** The verdict that an expected.json in one of the directories above names for the file. */
function expectedOf(file: string): boolean | undefined {
  for (let at = dirname(resolve(file)); ; at = dirname(at)) {
    const list = join(at, 'expected.json');
    if (existsSync(list)) {
      const { histories } = JSON.parse(readFileSync(list, 'utf8')) as {
        readonly histories: readonly { readonly file: string; readonly linearizable: boolean }[];
      };
      const name = relative(at, resolve(file));
      return histories.find((history) => history.file === name)?.linearizable;
    }
    if (at === dirname(at)) return undefined;
  }
}

function filesOf(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).toSorted();
  return names.filter((name) => name.endsWith('.txt')).map((name) => join(path, name));
}

if (import.meta.main) {
  const paths = process.argv.slice(2);
  const { passed, failed } = checkPaths(paths, (line) => {
    console.log(line);
  });
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}
