/**
 * A copy of this package and of the compliance suite in a temporary folder, where seeded bugs do no
 * harm. All other packages are links.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Mutant } from './table.ts';

const PACKAGE = join(import.meta.dirname, '../..');
const REPOSITORY = join(PACKAGE, '../..');
const VITEST = join(REPOSITORY, 'node_modules/vitest/vitest.mjs');
const COPIED = ['journal', 'testkit'];
/** Cheapest first. */
const TESTS = [
  'packages/journal/test/formats.test.ts',
  'packages/journal/test/failures.test.ts',
  'packages/journal/test/compliance.test.ts',
  'packages/testkit/test/journal.test.ts',
  'packages/journal/test/crash.test.ts',
  'packages/journal/test/damage.test.ts',
];
const TIMEOUT_MS = 300_000;

/** Which test noticed a bug; undefined when none did. */
export type Noticed = string | undefined;

export class WorkCopy {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'journal-mutants-'));

  constructor() {
    const modules = join(this.#folder, 'node_modules');
    mkdirSync(join(modules, '@witan'), { recursive: true });
    const link = (name: string): void => {
      symlinkSync(join(REPOSITORY, 'node_modules', name), join(modules, name));
    };
    for (const name of readdirSync(join(REPOSITORY, 'node_modules'))) {
      if (name !== '@witan' && !name.startsWith('.')) link(name);
    }
    for (const name of readdirSync(join(REPOSITORY, 'node_modules/@witan'))) {
      if (!COPIED.includes(name)) link(`@witan/${name}`);
    }
    for (const name of COPIED) {
      const copy = join(this.#folder, 'packages', name);
      cpSync(join(REPOSITORY, 'packages', name), copy, { recursive: true });
      // It names projects that are not in the folder.
      rmSync(join(copy, 'tsconfig.json'));
      symlinkSync(copy, join(modules, '@witan', name));
    }
  }

  /** Seeds one bug and runs the tests. @throws Error if it cannot be seeded, or is no program */
  judge(mutant: Mutant): Noticed {
    const path = join(this.#folder, 'packages/journal', mutant.file);
    const original = readFileSync(path, 'utf8');
    writeFileSync(path, mutate(original, mutant));
    try {
      return this.run();
    } finally {
      writeFileSync(path, original);
    }
  }

  /** Runs the tests until one fails. */
  run(): Noticed {
    for (const test of TESTS) {
      const args = [VITEST, 'run', '--bail', '1', '--root', this.#folder, test];
      // A busy machine must not pass for a test that noticed something.
      args.push('--testTimeout', String(TIMEOUT_MS));
      const { status, stdout, stderr, signal, error } = spawnSync(process.execPath, args, {
        cwd: this.#folder,
        encoding: 'utf8',
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
      });
      if (signal !== null) throw new Error(`${test} does not end`);
      // A process that did not start has judged nothing.
      if (status === null) throw new Error(`${test} does not start`, { cause: error });
      if (status === 0) continue;
      const output = stripVTControlCharacters(`${stdout}\n${stderr}`);
      const broken = /(?:Reference|Syntax)Error.*|No test files found/.exec(output)?.[0];
      if (broken !== undefined) throw new Error(`the replacement is no program: ${broken}`);
      const line = /FAIL.*/.exec(output)?.[0] ?? /× .*/.exec(output)?.[0] ?? `exit ${status}`;
      return line.slice(0, 150);
    }
    return undefined;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** @throws Error if the text to replace does not occur exactly once, or nothing would change */
export function mutate(source: string, mutant: Mutant): string {
  const parts = source.split(mutant.from);
  const count = parts.length - 1;
  if (count !== 1) {
    throw new Error(`${mutant.name}: its text occurs ${count} times in ${mutant.file}, not once`);
  }
  const mutated = parts.join(mutant.to);
  if (mutated === source) throw new Error(`${mutant.name}: replaces its text by itself`);
  return mutated;
}
