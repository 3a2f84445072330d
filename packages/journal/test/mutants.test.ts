/** The table of seeded bugs. `npm run journal:mutants` judges all of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MUTANTS } from '../testing/mutants/table.ts';
import { mutate } from '../testing/mutants/work-copy.ts';

const PACKAGE = join(import.meta.dirname, '..');

describe('the table of seeded bugs', () => {
  it('has different names', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(20);
  });

  it.each(MUTANTS.map((mutant) => [mutant.name, mutant]))('can still seed %s', (_name, mutant) => {
    const source = readFileSync(join(PACKAGE, mutant.file), 'utf8');
    expect(mutate(source, mutant)).not.toBe(source);
  });
});
