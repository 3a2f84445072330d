import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Crypto, SignatureCheck } from '@witan/core';
import { rememberingSignatures } from '@witan/attestation';
import { testCrypto } from '../testing/node-crypto.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));

function checkOf(text: string): SignatureCheck {
  const data = new TextEncoder().encode(text);
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  const signature = new Uint8Array(sign('sha384', data, key));
  return { algorithm: 'ecdsa-p384-sha384', publicKey: spki, data, signature };
}

function counted(): { readonly crypto: Crypto; readonly verified: () => number } {
  let count = 0;
  const verify = (check: SignatureCheck): boolean => {
    count += 1;
    return testCrypto.verify(check);
  };
  return { crypto: { ...testCrypto, verify }, verified: () => count };
}

describe('remembered signatures', () => {
  it('are checked once, by their bytes and not by their arrays', () => {
    const { crypto, verified } = counted();
    const remembering = rememberingSignatures(crypto, 8);
    const check = checkOf('report');
    expect(remembering.verify(check)).toBe(true);
    const copy = { ...check, data: check.data.slice(), publicKey: check.publicKey.slice() };
    expect(remembering.verify(copy)).toBe(true);
    expect(verified()).toBe(1);
  });

  it('help no other algorithm, key, data or signature (I1)', () => {
    const { crypto, verified } = counted();
    const remembering = rememberingSignatures(crypto, 8);
    const check = checkOf('report');
    expect(remembering.verify(check)).toBe(true);
    const flipped = (bytes: Uint8Array): Uint8Array =>
      bytes.map((byte, at) => (at === bytes.byteLength - 1 ? byte ^ 1 : byte));
    const others: readonly SignatureCheck[] = [
      { ...check, algorithm: 'ecdsa-p384-sha384-der' },
      { ...check, publicKey: flipped(check.publicKey) },
      { ...check, data: flipped(check.data) },
      { ...check, signature: flipped(check.signature) },
      // The same bytes, parted elsewhere.
      {
        ...check,
        data: check.data.subarray(0, -1),
        signature: Uint8Array.of(check.data.at(-1) ?? 0, ...check.signature),
      },
    ];
    for (const other of others) expect(remembering.verify(other)).toBe(false);
    expect(verified()).toBe(1 + others.length);
  });

  it('do not change with the arrays that they were read from', () => {
    const remembering = rememberingSignatures(testCrypto, 8);
    const check = checkOf('report');
    expect(remembering.verify(check)).toBe(true);
    check.data[0] = 0;
    expect(remembering.verify(check)).toBe(false);
  });

  it('are never bad ones: what was bad is checked again (I10)', () => {
    const { crypto, verified } = counted();
    const remembering = rememberingSignatures(crypto, 8);
    const bad = { ...checkOf('report'), data: new TextEncoder().encode('another') };
    expect([remembering.verify(bad), remembering.verify(bad)]).toEqual([false, false]);
    expect(verified()).toBe(2);
  });

  it('are as many as was said, the ones met last (I10)', () => {
    const { crypto, verified } = counted();
    const remembering = rememberingSignatures(crypto, 2);
    const [first, second, third] = [checkOf('1'), checkOf('2'), checkOf('3')];
    for (const check of [first, second, first, third]) remembering.verify(check);
    expect(verified()).toBe(3);
    remembering.verify(first);
    expect(verified()).toBe(3);
    remembering.verify(second);
    expect(verified()).toBe(4);
  });
});
