import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { TEE_SIM_ERROR_CODES } from '../src/errors.ts';

it('documents every error code and no other', () => {
  const text = readFileSync(new URL('../errors.json', import.meta.url), 'utf8');
  const documented = Object.keys(JSON.parse(text) as Record<string, string>);
  expect(documented.toSorted()).toEqual(TEE_SIM_ERROR_CODES.toSorted());
});
