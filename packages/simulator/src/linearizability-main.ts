/**
 * Checks recorded histories: `npm run sim:histories -- FILE…`, also directories. A line for each
 * file, compared with an `expected.json` beside or above it, or with a name that ends in -ok or
 * -bad, when there is one.
 */
import { readFileSync, readdirSync, statSync, existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { SimulatorError } from './errors.ts';
import { checkLinearizable, type Verdict } from './linearizability/checker.ts';
import { HISTORY_BYTES_MAX, parseHistory, type Recorded } from './linearizability/recorded.ts';

const USAGE = `Decides whether recorded histories are linearizable.

Usage: npm run sim:histories -- FILE|DIRECTORY...

Reads porcupine's key-value histories and Jepsen's registers (logs or EDN maps). A file is compared
with an expected.json in a directory above it, or with its name (-ok, -bad), if there is one.

Example: npm run sim:histories -- ../shared/vectors/linearizability
`;

/** Names of files that are read when a directory is given. */
const HISTORY = /\.(txt|log|edn)$/;

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
  let recorded: Recorded;
  try {
    recorded = parseHistory(readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof SimulatorError)) throw error;
    return { isExpected: false, line: `${error.code} ${JSON.stringify(error.fields)}` };
  }
  const startMs = performance.now();
  const verdict = verdictOn(recorded);
  const found =
    verdict.kind === 'illegal'
      ? `not linearizable (key ${verdict.key}, operation ${verdict.blocked} cannot be placed)`
      : verdict.kind;
  const cost = `${verdict.steps} steps, ${(performance.now() - startMs).toFixed(1)} ms`;
  const line = `${recorded.format}, ${recorded.history.length} operations, ${found}, ${cost}`;
  const expected = expectedOf(file);
  if (expected === undefined) return { isExpected: verdict.kind === 'linearizable', line };
  const isExpected = verdict.kind === (expected ? 'linearizable' : 'illegal');
  return { isExpected, line: `${line}, ${isExpected ? 'as expected' : 'NOT AS EXPECTED'}` };
}

function verdictOn(recorded: Recorded): Verdict {
  return recorded.format === 'kv'
    ? checkLinearizable(recorded.model, recorded.history)
    : checkLinearizable(recorded.model, recorded.history);
}

/** What an expected.json in one of the directories above, or the file's own name, says. */
function expectedOf(file: string): boolean | undefined {
  const byName = /-(ok|bad)\.[a-z]+$/.exec(file)?.[1];
  return listedFor(file) ?? (byName === undefined ? undefined : byName === 'ok');
}

function listedFor(file: string): boolean | undefined {
  for (let at = dirname(resolve(file)); ; at = dirname(at)) {
    const list = join(at, 'expected.json');
    if (existsSync(list)) {
      const { histories = [] } = JSON.parse(readFileSync(list, 'utf8')) as {
        readonly histories?: readonly { readonly file: string; readonly linearizable: boolean }[];
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
  return names.filter((name) => HISTORY.test(name)).map((name) => join(path, name));
}

if (import.meta.main) {
  const paths = process.argv.slice(2);
  if (paths.length === 0 || paths.includes('--help')) {
    console.log(USAGE);
    process.exit(paths.length === 0 ? 1 : 0);
  }
  const { passed, failed } = checkPaths(paths, (line) => {
    console.log(line);
  });
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}
