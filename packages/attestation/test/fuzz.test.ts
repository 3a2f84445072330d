/** The parsers stand a short fuzzing, and a bug planted in any of them is found by it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { PLANTED_BUGS } from '../testing/fuzz/planted.ts';

const MAIN = fileURLToPath(new URL('../testing/fuzz-main.ts', import.meta.url));

it('finds nothing in the parsers, and every planted bug', { timeout: 240_000 }, () => {
  const args = [MAIN, '--runs', '500', '--planted-runs', '60000', '--json'];
  const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const { results, planted } = JSON.parse(stdout) as {
    readonly results: readonly { readonly problem?: string; readonly accepted: number }[];
    readonly planted: readonly { readonly bug: string; readonly problem?: string }[];
  };
  expect(results.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(results.every(({ accepted }) => accepted > 0)).toBe(true);
  const missed = planted.filter(({ problem }) => problem === undefined).map(({ bug }) => bug);
  expect(missed).toEqual([]);
  expect(planted.map(({ bug }) => bug).toSorted()).toEqual(
    PLANTED_BUGS.map(({ name }) => name).toSorted(),
  );
  expect(status).toBe(0);
});
