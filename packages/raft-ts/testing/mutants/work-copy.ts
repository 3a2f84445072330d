/**
 * A copy of the package in a temporary folder, where seeded bugs do no harm. The folder has the
 * depth of the repository and its installed packages, so that the tests run in it as they are.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutant } from './mutant.ts';

const PACKAGE = join(import.meta.dirname, '../..');
const REPOSITORY = join(PACKAGE, '../..');
/** Files of the repository that those of the package extend. */
const SETTINGS = ['tsconfig.base.json', 'tsconfig.test.json'];

export class WorkCopy {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'raft-mutants-'));
  /** The copied package. */
  readonly root: string = join(this.#folder, 'packages/raft-ts');

  constructor() {
    mkdirSync(join(this.#folder, 'packages'));
    cpSync(PACKAGE, this.root, { recursive: true });
    for (const name of SETTINGS) cpSync(join(REPOSITORY, name), join(this.#folder, name));
    symlinkSync(join(REPOSITORY, 'node_modules'), join(this.#folder, 'node_modules'));
  }

  /**
   * Seeds one bug, runs `work`, and removes the bug again.
   * @throws Error if the text to replace does not occur exactly once
   */
  withMutant<Result>(mutant: Mutant, work: () => Result): Result {
    const path = join(this.root, mutant.file);
    const original = readFileSync(path, 'utf8');
    writeFileSync(path, mutate(original, mutant));
    try {
      return work();
    } finally {
      writeFileSync(path, original);
    }
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
