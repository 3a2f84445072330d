import { expect, it } from 'vitest';
import { seedFromBytes } from '@witan/keys';
import { readFileSync, readdirSync } from 'node:fs';

const HERE = new URL('../', import.meta.url);

it('every code that can be thrown is explained, and no other', () => {
  const explained: unknown = JSON.parse(readFileSync(new URL('errors.json', HERE), 'utf8'));
  const sources = readdirSync(new URL('src/', HERE), { encoding: 'utf8', recursive: true });
  const texts = sources
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(new URL(`src/${name}`, HERE), 'utf8'));
  const codes = texts.flatMap((text) => text.match(/'KEYS_[A-Z0-9_]+'/g) ?? []);
  const distinct = [...new Set(codes.map((code) => code.slice(1, -1)))];
  expect(Object.keys(explained as object).toSorted()).toEqual(distinct.toSorted());
});

it('refuses a seed of another length', () => {
  expect(() => seedFromBytes(new Uint8Array(31))).toThrow(
    expect.objectContaining({
      code: 'KEYS_SEED_LENGTH',
      fields: { expected: 32, found: 31 },
    }) as Error,
  );
});
