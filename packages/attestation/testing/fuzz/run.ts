/** Fuzzes parsers, and plants bugs to see that the fuzzing would find them. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as own from '../../src/index.ts';
import { mutated, numbersFrom } from './mutate.ts';
import { PLANTED_BUGS, type PlantedBug } from './planted.ts';
import { targetsOf, type Target } from './targets.ts';

/** What fuzzing of one target gave. */
export interface FuzzResult {
  readonly target: string;
  readonly runs: number;
  /** How many inputs were accepted; none would mean that nothing behind the first check ran. */
  readonly accepted: number;
  /** What went wrong first, with the input in hex; absent when nothing did. */
  readonly problem?: string;
}

const PACKAGE = join(import.meta.dirname, '../..');
const REPOSITORY = join(PACKAGE, '../..');
const SHOWN_BYTES_MAX = 4096;

/** @param runs how many inputs are tried at most */
export function fuzz({ name, seeds, codes, run }: Target, runs: number, seed: number): FuzzResult {
  const next = numbersFrom(seed);
  let accepted = 0;
  for (let done = 0; done < runs; done += 1) {
    const bytes = mutated(seeds, next);
    const problem = problemWith(run, codes, bytes);
    if (problem === 'refused') continue;
    accepted += 1;
    if (problem === undefined) continue;
    const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES_MAX)).toString('hex');
    return { target: name, runs: done + 1, accepted, problem: `${problem}: ${shown}` };
  }
  return { target: name, runs, accepted };
}

/** Errors of another class than the package's are problems: nobody expects them (I10). */
function problemWith(run: Target['run'], codes: RegExp, bytes: Uint8Array): string | undefined {
  try {
    return run(bytes);
  } catch (error) {
    if (!(error instanceof Error)) return `threw ${String(error)}`;
    // A copy of the package has a class of its own, so the name has to do.
    const code = error.constructor.name === 'AttestationError' && 'code' in error ? error.code : '';
    const expected = typeof code === 'string' && codes.test(code);
    return expected ? 'refused' : `threw ${String(error)} ${String(code)}`;
  }
}

/** Fuzzes every parser of the package, or some of them. */
export function fuzzAll(
  runs: number,
  seed: number,
  only: readonly string[] = [],
): readonly FuzzResult[] {
  return targetsOf(own)
    .filter(({ name }) => only.length === 0 || only.includes(name))
    .map((target) => fuzz(target, runs, seed));
}

/** What fuzzing made of a planted bug. */
export interface PlantedResult extends FuzzResult {
  readonly bug: string;
}

/**
 * Plants all bugs, in copies of the package, and fuzzes the targets that must notice them, there.
 *
 * @throws Error if the text to replace does not occur exactly once, or a copy does not run
 */
export function fuzzPlanted(runs: number, seed: number): readonly PlantedResult[] {
  return [1, 2].flatMap((round) => {
    const bugs = PLANTED_BUGS.filter((bug) => bug.round === round);
    return fuzzRound(bugs, runs, seed);
  });
}

function fuzzRound(
  bugs: readonly PlantedBug[],
  runs: number,
  seed: number,
): readonly PlantedResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'attestation-fuzz-'));
  try {
    const copy = join(folder, 'packages/attestation');
    for (const part of ['src', 'testing', 'package.json']) {
      cpSync(join(PACKAGE, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    for (const bug of bugs) plant(bug, join(copy, 'src', bug.file));
    const only = bugs.flatMap(({ target }) => ['--only', target]);
    const numbers = ['--runs', String(runs), '--seed', String(seed)];
    const args = [join(copy, 'testing/fuzz-main.ts'), ...only, ...numbers, '--json'];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (stdout === '') throw new Error(`the copy does not run: ${stderr}`);
    const { results } = JSON.parse(stdout) as { readonly results: readonly FuzzResult[] };
    return bugs.map(({ name, target }) => {
      const result = results.find((one) => one.target === target);
      if (result === undefined) throw new Error(`no target ${target}`);
      return { bug: name, ...result };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function plant(bug: PlantedBug, path: string): void {
  const parts = readFileSync(path, 'utf8').split(bug.from);
  if (parts.length !== 2) throw new Error(`${bug.name}: its text is not there once`);
  writeFileSync(path, parts.join(bug.to));
}
