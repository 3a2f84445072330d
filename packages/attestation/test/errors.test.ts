import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ATTESTATION_ERROR_CODES } from '../src/index.ts';

it('every error code is explained in errors.json, and nothing else is', () => {
  const text = readFileSync(new URL('../errors.json', import.meta.url), 'utf8');
  const explained = JSON.parse(text) as Readonly<Record<string, string>>;
  expect(Object.keys(explained).toSorted()).toEqual([...ATTESTATION_ERROR_CODES].toSorted());
  for (const sentence of Object.values(explained)) expect(sentence).toMatch(/^[A-Z].*\.$/);
});
