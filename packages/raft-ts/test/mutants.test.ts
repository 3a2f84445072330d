/** The table of seeded bugs, and a few of them. `testing/mutants-main.ts` runs all. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { Mutant } from '../testing/mutants/mutant.ts';
import { judge } from '../testing/mutants/run.ts';
import { scenarioSuite } from '../testing/mutants/suites.ts';
import { MUTANTS } from '../testing/mutants/table.ts';
import { WorkCopy, mutate } from '../testing/mutants/work-copy.ts';

// Long on a busy machine, never in idle time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PACKAGE = join(import.meta.dirname, '..');
const SCENARIOS = join(PACKAGE, '../../test/scenarios/raft');

function named(name: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.name === name);
  if (found === undefined) throw new Error(`no seeded bug ${name}`);
  return found;
}

describe('the table of seeded bugs', () => {
  it('has at least forty, with different names', () => {
    const names = new Set(MUTANTS.map(({ name }) => name));
    expect(names.size).toBe(MUTANTS.length);
    expect(names.size).toBeGreaterThanOrEqual(40);
  });

  it.each(MUTANTS.map((mutant) => [mutant.name, mutant]))('can still seed %s', (_name, mutant) => {
    const source = readFileSync(join(PACKAGE, mutant.file), 'utf8');
    expect(mutate(source, mutant)).not.toBe(source);
  });

  it('names a script for the bugs that recorded files of etcd do not notice', () => {
    const scripts = MUTANTS.flatMap(({ script }) => (script === undefined ? [] : [script]));
    expect(scripts.length).toBeGreaterThanOrEqual(11);
    for (const script of scripts) expect(existsSync(join(SCENARIOS, script)), script).toBe(true);
  });

  it('cannot rot: a text that is missing, or there twice, is refused', () => {
    const mutant = { name: 'm', file: 'f', from: 'a', to: 'b', breaks: '' };
    expect(() => mutate('xyz', mutant)).toThrow('occurs 0 times');
    expect(() => mutate('a a', mutant)).toThrow('occurs 2 times');
    expect(() => mutate('a', { ...mutant, to: 'a' })).toThrow('by itself');
    expect(mutate('xay', { ...mutant, to: '$&' })).toBe('x$&y');
  });
});

describe('judging a seeded bug', () => {
  const copy = new WorkCopy();
  afterAll(() => copy.remove());
  const suites = [scenarioSuite('vote_once_per_term.txt')];

  it.each(['double-vote', 'figure-8-commit-by-counting', 'aba-guard-ignored'])(
    '%s is noticed by its own script',
    (name) => {
      const mutant = named(name);
      expect(judge(copy, mutant, { suites }).killedBy).toEqual([mutant.script]);
    },
  );

  it('says so when no suite notices it, or not the script that should', () => {
    const harmless: Mutant = {
      name: 'harmless',
      file: 'src/election.ts',
      from: 'import { commitHint, learnCommit }',
      to: 'import { learnCommit, commitHint }',
      breaks: 'nothing',
    };
    expect(judge(copy, harmless, { suites }).killedBy).toEqual([]);
    const script = 'vote_once_per_term.txt';
    const verdict = judge(copy, { ...harmless, script }, { suites });
    expect(verdict).toMatchObject({ killedBy: [], detail: `${script} does not notice it` });
  });

  it('takes a replacement that is no program for a mistake in the table, not for a success', () => {
    const to = 'import { unknownName, commitHint, learnCommit }';
    const from = 'import { commitHint, learnCommit }';
    const broken = { name: 'broken', file: 'src/election.ts', from, to, breaks: '' };
    expect(() => judge(copy, broken, { suites })).toThrow('no program');
  });

  it('leaves the copy as it was', () => {
    expect(readFileSync(join(copy.root, 'src/election.ts'), 'utf8')).toBe(
      readFileSync(join(PACKAGE, 'src/election.ts'), 'utf8'),
    );
  });
});
