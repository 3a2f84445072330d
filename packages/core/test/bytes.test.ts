import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  BytesError,
  CanonicalError,
  CanonicalReader,
  CanonicalWriter,
  Secret,
  fromBase64,
  fromBase64Url,
  fromHex,
  toBase64,
  toBase64Url,
  toHex,
} from '@witan/core';
import { inspect } from 'node:util';

describe('text encodings of bytes', () => {
  it('agree with Node for all bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(['0', 'zz', '0x00'])('refuse %j as hex', (text) => {
    expect(() => fromHex(text)).toThrow(BytesError);
  });

  it('have one form for URLs, without padding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = toBase64Url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64url'));
        expect(fromBase64Url(text)).toEqual(Uint8Array.from(bytes));
      }),
    );
    for (const bad of ['A', 'AB', 'AA==', 'A+A=', 'AA/A', ' AAA', 'AAAAA']) {
      expect(() => fromBase64Url(bad)).toThrow(BytesError);
    }
  });

  it.each(['A', 'AA', 'AB==', 'A===', 'AA=A', '!!!!', 'AA==\n'])('refuse %j as base64', (text) => {
    expect(() => fromBase64(text)).toThrow(BytesError);
  });
});

describe('canonical bytes', () => {
  it('give back what was written', () => {
    const bytes = new CanonicalWriter()
      .u8(7)
      .u64(2 ** 53 - 1)
      .text('é')
      .list([1, 2], (writer, item) => writer.u32(item))
      .optional<number>(undefined, (writer, item) => writer.u32(item))
      .bool(true)
      .finish();
    const reader = new CanonicalReader(bytes);
    expect(reader.u8()).toBe(7);
    expect(reader.u64()).toBe(2 ** 53 - 1);
    expect(reader.text(2)).toBe('é');
    expect(reader.list(2, (r) => r.u32())).toEqual([1, 2]);
    expect(reader.optional((r) => r.u32())).toBeUndefined();
    expect(reader.bool()).toBe(true);
    reader.end();
  });

  it.each([255, 256, 257, 1000])('grow past %i bytes wherever the edge falls', (length) => {
    for (const pad of [0, 1, 2, 3, 4, 5]) {
      const writer = new CanonicalWriter().fixed(new Uint8Array(length - pad).fill(1));
      const bytes = writer.u8(2).u32(3).u64(4).bytes(new Uint8Array(700).fill(5)).finish();
      const reader = new CanonicalReader(bytes);
      expect(reader.fixed(length - pad).every((byte) => byte === 1)).toBe(true);
      expect([reader.u8(), reader.u32(), reader.u64()]).toEqual([2, 3, 4]);
      expect(reader.bytes(700).every((byte) => byte === 5)).toBe(true);
      reader.end();
    }
  });

  it('never read past the end or over a limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const reader = new CanonicalReader(bytes);
        try {
          reader.list(4, (r) => r.bytes(16));
          reader.end();
        } catch (error) {
          expect(error).toBeInstanceOf(CanonicalError);
        }
      }),
    );
  });
});

describe('a secret (I10)', () => {
  it('never turns into its bytes by accident', () => {
    const secret = new Secret(new Uint8Array([0xde, 0xad, 0xbe, 0xef]));
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      `${String(secret)}`,
    ];
    for (const text of shown) expect(text).toContain('[secret]');
    expect(secret.equals(new Secret(new Uint8Array([0xde, 0xad, 0xbe, 0xef])))).toBe(true);
    expect(secret.equals(new Secret(new Uint8Array([0xde, 0xad, 0xbe, 0xee])))).toBe(false);
  });
});
