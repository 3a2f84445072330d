import fc from 'fast-check';
import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fromHex } from '@witan/core';
import { isEd25519Point } from '../src/ed25519-point.ts';
import {
  bytesOf,
  draftManifest,
  edKey,
  edited,
  parse,
  refusalOf,
  rsaKey,
  testKey,
  type Draft,
  type TestKey,
} from './support.ts';

const keys: readonly (readonly [string, TestKey])[] = [
  ['p256', testKey()],
  ['p384', testKey('P-384')],
  ['rsa', rsaKey()],
  ['ed25519', edKey()],
];
const base = draftManifest([testKey(), testKey()], 1);
const withKey = (key: unknown): Uint8Array => bytesOf(edited(base, { 'owners/0/publicKey': key }));

function jwkOf(key: TestKey): Draft {
  return { ...createPublicKey(key.pem).export({ format: 'jwk' }) };
}

describe('an owner key as JWK', () => {
  it.each(keys)('of %s is the same key as in PEM', (kind, key) => {
    const [owner] = parse(withKey(jwkOf(key))).owners;
    expect(owner).toMatchObject({ keyKind: kind, fingerprint: key.fingerprint });
    expect(owner?.publicKey).toEqual(key.spki);
  });

  it('counts as the same key under another name and in another form', () => {
    const [, key] = keys[0] ?? [];
    if (key === undefined) throw new Error('no key');
    const twice = edited(base, { 'owners/0/publicKey': key.pem, 'owners/1/publicKey': jwkOf(key) });
    const error = refusalOf(() => parse(bytesOf(twice)));
    expect(error).toMatchObject({ code: 'MANIFEST_DUPLICATE_VALUE' });
    expect(error.fields['path']).toBe('owners[1].publicKey');
  });

  it.each(keys)('of %s with its private half is refused, and not repeated', (_kind, key) => {
    const jwk = { ...key.privateKey.export({ format: 'jwk' }) };
    const error = refusalOf(() => parse(withKey(jwk)));
    expect(error).toMatchObject({ code: 'MANIFEST_BAD_PUBLIC_KEY' });
    expect(error.fields['found']).toBe('a private key (member d)');
    expect(JSON.stringify(error.fields)).not.toContain(jwk.d);
  });

  const ec = jwkOf(testKey());
  const okp = jwkOf(edKey());
  const rsa = jwkOf(rsaKey());
  it.each([
    ['of another curve', { ...ec, crv: 'P-521' }, 'MANIFEST_BAD_PUBLIC_KEY', 'crv'],
    ['of a curve from a prototype', { ...ec, crv: 'toString' }, 'MANIFEST_BAD_PUBLIC_KEY', 'crv'],
    ['with a point off the curve', { ...ec, y: ec['x'] }, 'MANIFEST_BAD_PUBLIC_KEY', ''],
    ['with a short coordinate', { ...ec, x: 'AAAA' }, 'MANIFEST_BAD_PUBLIC_KEY', 'x'],
    ['with padding', { ...ec, x: `${String(ec['x'])}=` }, 'MANIFEST_BAD_PUBLIC_KEY', 'x'],
    [
      'without a coordinate',
      { kty: 'EC', crv: 'P-256', x: ec['x'] },
      'MANIFEST_MISSING_FIELD',
      'y',
    ],
    ['with another member', { ...ec, alg: 'ES256' }, 'MANIFEST_UNKNOWN_FIELD', 'alg'],
    ['of X25519', { ...okp, crv: 'X25519' }, 'MANIFEST_BAD_PUBLIC_KEY', 'crv'],
    ['of the neutral point', { ...okp, x: `AQ${'A'.repeat(41)}` }, 'MANIFEST_BAD_PUBLIC_KEY', ''],
    ['of another exponent', { ...rsa, e: 'Aw' }, 'MANIFEST_BAD_PUBLIC_KEY', 'e'],
    ['of RSA with 2048 bits', jwkOf(rsaKey(2048)), 'MANIFEST_BAD_PUBLIC_KEY', ''],
    ['of RSA with 64 bytes', { ...rsa, n: 'A'.repeat(86) }, 'MANIFEST_BAD_PUBLIC_KEY', 'n'],
    ['of a shared secret', { kty: 'oct', k: 'AAAA' }, 'MANIFEST_BAD_PUBLIC_KEY', ''],
    ['of no kind', { kty: 'none' }, 'MANIFEST_BAD_PUBLIC_KEY', 'kty'],
    ['that is a list', [ec], 'MANIFEST_WRONG_TYPE', ''],
    ['that is null', null, 'MANIFEST_WRONG_TYPE', ''],
  ])('%s is refused', (_name, jwk, code, member) => {
    const error = refusalOf(() => parse(withKey(jwk)));
    expect(error.code).toBe(code);
    const path = member === '' ? 'owners[0].publicKey' : `owners[0].publicKey.${member}`;
    expect(error.fields['path']).toBe(path);
    expect(error.fields['expected']).toBeDefined();
  });

  it('with any member replaced is refused, or one that the library reads to the same', () => {
    const member = fc.constantFrom('kty', 'crv', 'x', 'y', 'n', 'e');
    const value = fc.oneof(fc.string(), fc.base64String(), fc.jsonValue());
    const jwk = fc.constantFrom(...keys.map(([, key]) => jwkOf(key)));
    fc.assert(
      fc.property(jwk, member, value, (from, name, to) => {
        const changed = { ...from, [name]: to };
        let owner;
        try {
          [owner] = parse(withKey(changed)).owners;
        } catch (error) {
          expect(refusalOf(() => parse(withKey(changed))).code).toMatch(/^MANIFEST_/);
          expect(error).toBeDefined();
          return;
        }
        const key = createPublicKey({ key: changed, format: 'jwk' });
        expect(Uint8Array.from(key.export({ format: 'der', type: 'spki' }))).toEqual(
          owner?.publicKey,
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('an Ed25519 key', () => {
  // The points of small order, RFC 7748 section 7 and RFC 8032 section 5.1.7 speak of.
  it.each([
    ['neutral', `01${'00'.repeat(31)}`],
    ['order 2', `ec${'ff'.repeat(30)}7f`],
    ['order 4', '00'.repeat(32)],
    ['order 4, negative', `${'00'.repeat(31)}80`],
    ['order 8', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
    ['order 8, negative', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'],
    ['order 8, other', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
    ['neutral, not reduced', `ee${'ff'.repeat(30)}7f`],
    ['minus zero', `01${'00'.repeat(30)}80`],
    ['off the curve', `02${'00'.repeat(31)}`],
  ])('of a point that is %s is refused', (_name, hex) => {
    expect(isEd25519Point(fromHex(hex))).toBe(false);
  });

  it('of RFC 8032 section 7.1 is accepted', () => {
    const hex = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
    expect(isEd25519Point(fromHex(hex))).toBe(true);
    expect(isEd25519Point(fromHex(hex).subarray(1))).toBe(false);
  });
});
