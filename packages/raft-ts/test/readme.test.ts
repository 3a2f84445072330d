/** The example in the README runs and prints what it says. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('the example in the README runs', () => {
  const folder = join(import.meta.dirname, '..');
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const example = /```ts\n([^]*?)```/.exec(readme)?.[1] ?? '';
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module-typescript', '--disable-warning=ExperimentalWarning'],
    { cwd: folder, input: example, encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(stdout).toBe('2 \n3 hello\n');
});
