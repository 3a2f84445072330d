/** The daemon's command line: wrong arguments are named, and nothing starts. */
import { expect, it } from 'vitest';
import { run } from '../src/run.ts';

it.each([[['dance']], [['serve']], [['serve', '--directory', '/tmp/x', '--product', 'Rome']]])(
  'gives TEESIM_USAGE for %j',
  async (argv) => {
    let stderr = '';
    const code = await run({
      argv,
      stdout: () => undefined,
      stderr: (line) => {
        stderr += line;
      },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('TEESIM_USAGE');
  },
);
