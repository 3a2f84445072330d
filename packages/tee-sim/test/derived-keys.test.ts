/** Keys of simulated chips follow from the directory's secret in one way, and no other (I9). */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { toHex, utf8 } from '@witan/core';
import { deriveBytes, deriveKey } from '../src/hierarchy/derived-keys.ts';

const SECRET = Uint8Array.from({ length: 32 }, (_, at) => at);
const PARTS = [utf8('chip-1'), Uint8Array.of(0, 1, 2)];

/** HKDF with SHA-384 (RFC 5869) by OpenSSL, over an `info` that is put together here. */
function byOpenssl(byteLength: number, label: string): Buffer {
  const info = Buffer.concat([Buffer.from(`witan-tee-sim ${label}\0`), ...PARTS]);
  const options = ['digest:SHA384', `hexkey:${toHex(SECRET)}`, `hexinfo:${info.toString('hex')}`];
  const given = options.flatMap((option) => ['-kdfopt', option]);
  const args = ['kdf', '-binary', '-keylen', String(byteLength), ...given, 'HKDF'];
  return execFileSync('openssl', args);
}

it('gives what OpenSSL derives, and what it gave when it was written', () => {
  const found = toHex(deriveBytes(SECRET, 64, 'chip id', ...PARTS));
  expect(found).toBe(byOpenssl(64, 'chip id').toString('hex'));
  expect(found).toBe(
    '415bff4b91233972133f9ac2ce26006779f59bac519105097a97c73e2e6f17d4' +
      'f107169d86de52e0cddc2f5fd7485bf45eaec36f494d8cbe1d2f3a47cd1a8239',
  );
});

it.each([
  ['P-256', 32, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n],
  ['P-384', 48, 2n ** 384n - 2n ** 192n + 0xc7634d81f4372ddf581a0db248b0a77aecec196accc52973n],
] as const)('reduces wider bytes to a key of %s', (curve, scalarBytes, order) => {
  const wide = BigInt(`0x${byOpenssl(scalarBytes + 24, 'key').toString('hex')}`);
  const expected = ((wide % (order - 1n)) + 1n).toString(16).padStart(scalarBytes * 2, '0');
  const { privateKey } = deriveKey(curve, SECRET, 'key', ...PARTS);
  const { d } = privateKey.export({ format: 'jwk' });
  expect(Buffer.from(String(d), 'base64url').toString('hex')).toBe(expected);
});
