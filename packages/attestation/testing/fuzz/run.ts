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

/** Fuzzes every parser of the package, or one of them. */
export function fuzzAll(runs: number, seed: number, only?: string): readonly FuzzResult[] {
  return targetsOf(own)
    .filter(({ name }) => only === undefined || name === only)
    .map((target) => fuzz(target, runs, seed));
}

/**
 * Plants one bug in a copy of the package and fuzzes the target that must notice it, there.
 *
 * @throws Error if the text to replace does not occur exactly once, or the copy does not run
 */
export function fuzzPlanted(bug: PlantedBug, runs: number, seed: number): FuzzResult {
  const folder = mkdtempSync(join(tmpdir(), 'attestation-fuzz-'));
  try {
    const copy = join(folder, 'packages/attestation');
    for (const part of ['src', 'testing', 'package.json']) {
      cpSync(join(PACKAGE, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    const path = join(copy, 'src', bug.file);
    const parts = readFileSync(path, 'utf8').split(bug.from);
    if (parts.length !== 2) throw new Error(`${bug.name}: its text is not there once`);
    writeFileSync(path, parts.join(bug.to));
    const main = join(copy, 'testing/fuzz-main.ts');
    const args = [main, '--only', bug.target, '--runs', String(runs), '--seed', String(seed)];
    const { stdout } = spawnSync(process.execPath, [...args, '--json'], { encoding: 'utf8' });
    const { results } = JSON.parse(stdout) as { readonly results: readonly FuzzResult[] };
    const [result] = results;
    if (result === undefined) throw new Error(`no target ${bug.target}`);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All planted bugs, one after the other. */
export function fuzzAllPlanted(
  runs: number,
  seed: number,
): readonly (FuzzResult & { readonly bug: string })[] {
  return PLANTED_BUGS.map((bug) => ({ bug: bug.name, ...fuzzPlanted(bug, runs, seed) }));
}
