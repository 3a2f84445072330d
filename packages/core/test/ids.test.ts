import { describe, expect, it } from 'vitest';
import {
  assert,
  BytesError,
  CanonicalReader,
  CanonicalWriter,
  CodedError,
  describeError,
  epoch,
  fromUtf8,
  generation,
  IdError,
  incarnationId,
  InvariantViolation,
  slotName,
  unixMillis,
} from '@witan/core';

describe('identifiers', () => {
  it.each(['', 'A', '-a', 'a-', 'a.b', 'a'.repeat(64)])('refuse %j as a slot name', (text) => {
    expect(() => slotName(text)).toThrow(
      expect.objectContaining({ code: 'ID_MALFORMED' }) as IdError,
    );
  });

  it('say what was expected and cut what was found', () => {
    const error = caught(() => incarnationId('x'.repeat(1000)));
    expect(error).toBeInstanceOf(IdError);
    expect(describeError(error).length).toBeLessThan(250);
    expect(describeError(error)).toContain('64 lower-case hex digits');
  });

  it('count from their own beginnings and stay exact', () => {
    expect(generation(0)).toBe(0);
    for (const bad of [0, -1, 1.5, 2 ** 53]) expect(() => epoch(bad)).toThrow(IdError);
    expect(() => unixMillis(-1)).toThrow(IdError);
  });
});

describe('readers of canonical bytes', () => {
  it.each([
    ['CANONICAL_TRUNCATED', new Uint8Array(3), (r: CanonicalReader) => r.u32()],
    ['CANONICAL_TRAILING', new Uint8Array(1), (r: CanonicalReader) => r.end()],
    [
      'CANONICAL_TOO_LARGE',
      new CanonicalWriter().u32(9).finish(),
      (r: CanonicalReader) => r.bytes(8),
    ],
    ['CANONICAL_BAD_VALUE', Uint8Array.of(2), (r: CanonicalReader) => r.bool()],
    ['CANONICAL_BAD_VALUE', new Uint8Array(8).fill(255), (r: CanonicalReader) => r.u64()],
    // Found by fuzzing shares: readers of records knew of no other error than CanonicalError.
    [
      'CANONICAL_BAD_VALUE',
      Uint8Array.of(0, 0, 0, 2, 0xc3, 0x28),
      (r: CanonicalReader) => r.text(8),
    ],
  ] as const)('throw %s', (code, bytes, read) => {
    expect(caught(() => read(new CanonicalReader(bytes)))).toMatchObject({ code });
  });
});

it('refuses ill-formed UTF-8', () => {
  const error = caught(() => fromUtf8(Uint8Array.of(0xc3, 0x28)));
  expect(error).toBeInstanceOf(BytesError);
  expect(error).toMatchObject({ code: 'BYTES_NOT_UTF8' });
});

it.each([
  ['BYTES_NOT_HEX', 'fromHex', '0'],
  ['BYTES_NOT_BASE64', 'fromBase64', '*'],
] as const)('gives %s from %s', async (code, name, text) => {
  const core = await import('@witan/core');
  expect(caught(() => core[name](text))).toMatchObject({ code });
});

it('describes a chain of causes on one line, without stacks', () => {
  class TestError extends CodedError<'OUTER'> {}
  const inner = new Error('disk on fire');
  const error = new TestError('OUTER', 'cannot write', { fields: { path: '/x' }, cause: inner });
  expect(describeError(error)).toBe('OUTER: cannot write (path=/x): disk on fire');
});

it('tells a field that a cause repeats once, and one that differs again', () => {
  class Outer extends CodedError<'OUTER' | 'INNER'> {}
  const cause = new Outer('INNER', 'was told', { fields: { code: 'X', left: 2 } });
  const error = new Outer('OUTER', 'is refused', { fields: { code: 'X', left: 1 }, cause });
  expect(describeError(error)).toBe('OUTER: is refused (code=X, left=1): INNER: was told (left=2)');
});

it('an error is one line without anything that a terminal acts on', () => {
  class Outer extends CodedError<'OUTER'> {}
  const cause = new Error('first\nok: all is well\u001b[2J');
  const found = 'web\u202egnp.exe\u009b31m\u2028next\u{e0041}';
  const error = new Outer('OUTER', 'is refused', { fields: { found }, cause });
  expect(describeError(error)).toBe(
    'OUTER: is refused (found=web\\u{202e}gnp.exe\\u{9b}31m\\u{2028}next\\u{e0041}): ' +
      'first\\u{a}ok: all is well\\u{1b}[2J',
  );
});

it('breaks loudly on what cannot be (I10)', () => {
  expect(() => {
    assert(false, 'the sky is blue');
  }).toThrow(InvariantViolation);
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
