import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import { readJson } from '../src/json.ts';
import { ManifestError } from '../src/index.ts';
import { refusalOf } from './support.ts';

const read = (text: string): unknown => readJson(utf8(text));

const plainJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger().map((value) => (Object.is(value, -0) ? 0 : value)),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('the strict JSON reader', () => {
  it('reads what JSON.stringify writes, with any spacing', () => {
    fc.assert(
      fc.property(plainJson, fc.constantFrom('', ' ', '\t', '\n  '), (value, space) => {
        expect(JSON.stringify(read(JSON.stringify(value, null, space)))).toBe(
          JSON.stringify(value),
        );
      }),
    );
  });

  it('accepts nothing that the engine refuses, and reads the same from what it accepts', () => {
    const noise = fc.string({
      unit: fc.constantFrom(...Array.from('{}[]":, \\u0159-+.eEtruefalsn\n')),
    });
    fc.assert(
      fc.property(fc.oneof(noise, fc.json({ maxDepth: 3 })), (text) => {
        let value: unknown;
        try {
          value = read(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ManifestError);
          return;
        }
        expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['{"a":{"b":1,"b":1}}', 'MANIFEST_DUPLICATE_KEY', 'a.b'],
    ['{"a":1,"\\u0061":1}', 'MANIFEST_DUPLICATE_KEY', 'a'],
    ['{"__proto__":1,"__proto__":2}', 'MANIFEST_DUPLICATE_KEY', '__proto__'],
    ['[0,[1.0]]', 'MANIFEST_NOT_JSON', '[1][0]'],
    ['{"n":1e3}', 'MANIFEST_NOT_JSON', 'n'],
    ['{"n":-0}', 'MANIFEST_NOT_JSON', 'n'],
    ['{"n":01}', 'MANIFEST_NOT_JSON', 'n'],
    ['{"n":9007199254740993}', 'MANIFEST_NOT_JSON', 'n'],
    ['{"n":NaN}', 'MANIFEST_NOT_JSON', 'n'],
    ['["\\ud800"]', 'MANIFEST_NOT_JSON', '[0]'],
    ['["\u0001"]', 'MANIFEST_NOT_JSON', '[0]'],
    ['["\\x41"]', 'MANIFEST_NOT_JSON', '[0]'],
    ['["open', 'MANIFEST_NOT_JSON', '[0]'],
    ['["open\\', 'MANIFEST_NOT_JSON', '[0]'],
    ['[1,]', 'MANIFEST_NOT_JSON', '[1]'],
    ['{"a":1,}', 'MANIFEST_NOT_JSON', '(document)'],
    ['{a:1}', 'MANIFEST_NOT_JSON', '(document)'],
    ['{"a" 1}', 'MANIFEST_NOT_JSON', 'a'],
    ['{} {}', 'MANIFEST_NOT_JSON', '(document)'],
    ['{}//', 'MANIFEST_NOT_JSON', '(document)'],
    ['\ufeff{}', 'MANIFEST_NOT_JSON', '(document)'],
    ['', 'MANIFEST_NOT_JSON', '(document)'],
    ['"\u00a0"\u00a0', 'MANIFEST_NOT_JSON', '(document)'],
  ])('refuses %j and names the place', (text, code, path) => {
    const error = refusalOf(() => read(text));
    expect(error).toMatchObject({ code, fields: { path } });
    expect(error.fields).toHaveProperty('expected');
    expect(error.fields).toHaveProperty('found');
  });

  it('keeps keys that collide with inherited names as plain data', () => {
    const value = read('{"__proto__":{"polluted":1},"constructor":2}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('refuses deep nesting long before the stack is at risk (I10)', () => {
    expect(read('['.repeat(16) + ']'.repeat(16))).toBeDefined();
    expect(refusalOf(() => read('['.repeat(17) + ']'.repeat(17))).code).toBe('MANIFEST_TOO_DEEP');
    expect(refusalOf(() => read('[{"a":'.repeat(100_000))).code).toBe('MANIFEST_TOO_DEEP');
  });

  it('refuses bytes that are not UTF-8', () => {
    const overlong = Uint8Array.of(0x22, 0xc0, 0x80, 0x22);
    expect(refusalOf(() => readJson(overlong))).toMatchObject({ code: 'MANIFEST_NOT_JSON' });
  });

  it('never repeats more than a short piece of the document in an error', () => {
    const error = refusalOf(() => read(`{"${'k'.repeat(10_000)}":x${'y'.repeat(10_000)}}`));
    expect(JSON.stringify(error.fields).length).toBeLessThan(600);
  });
});
