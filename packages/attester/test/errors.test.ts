import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const codesIn = (text: string): readonly string[] => [
  ...new Set([...text.matchAll(/'(ATTESTER_[A-Z_]+)'/g)].map(([, code = '']) => code)),
];

it('documents every error code and no other', () => {
  const documented = Object.keys(JSON.parse(read('../errors.json')) as Record<string, string>);
  expect(documented.toSorted()).toEqual(codesIn(read('../src/errors.ts')).toSorted());
});

it('produces every error code in a test', () => {
  const tests = readdirSync(new URL('.', import.meta.url)).filter((name) => name.endsWith('.ts'));
  const produced = codesIn(tests.map((name) => read(`./${name}`)).join('\n'));
  expect(produced.toSorted()).toEqual(codesIn(read('../src/errors.ts')).toSorted());
});
