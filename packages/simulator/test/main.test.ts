/** What the simulator's command refuses. */
import { expect, it } from 'vitest';
import { main } from '../src/main.ts';

it('refuses what is not a number', async () => {
  await expect(main(['--from', 'x'])).rejects.toMatchObject({
    code: 'SIMULATOR_ARGUMENT_INVALID',
    fields: { name: '--from', found: 'x' },
  });
});
