/** The simulator's command: what it refuses, and several processes. */
import { expect, it } from 'vitest';
import { main } from '../src/main.ts';

it('refuses what is not a number', async () => {
  await expect(main(['--from', 'x'])).rejects.toMatchObject({
    code: 'SIMULATOR_ARGUMENT_INVALID',
    fields: { name: '--from', found: 'x' },
  });
});

it('plays in several processes what one would play', { timeout: 240_000 }, async () => {
  const args = ['--seeds', '30', '--from', '7', '--events', '200', '--json'];
  const play = async (...more: readonly string[]): Promise<readonly string[]> => {
    const printed: string[] = [];
    expect(await main([...args, ...more], (line) => printed.push(line))).toBe(0);
    return printed.toSorted();
  };
  const alone = await play();
  expect(alone).toHaveLength(31);
  expect(await play('--jobs', '2')).toEqual(alone);
});

it('says which seeds a process was playing when it ended', { timeout: 240_000 }, async () => {
  const before = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = '--import=data:text/javascript,process.exit(3)';
  try {
    await expect(main(['--seeds', '30', '--jobs', '2', '--from', '7'])).rejects.toMatchObject({
      code: 'SIMULATOR_WORKER_ENDED',
    });
  } finally {
    if (before === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = before;
  }
});
