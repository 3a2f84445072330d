/** The DER reader refuses what is not DER, and certificates that are larger than any can be. */
import { expect, it } from 'vitest';
import { parseCertificate } from '@witan/attestation';
import { DerReader } from '../src/der/reader.ts';
import { DER_DEPTH_MAX, EXTENSIONS_MAX } from '../src/limits.ts';
import { endEntity, extension, makeP256Certificate, octets, p256Key } from '../testing/index.ts';
import { codeOf } from './support/code-of.ts';

function caught(bytes: Uint8Array): unknown {
  try {
    parseCertificate(bytes);
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

it.each([
  ['nothing', new Uint8Array(0)],
  ['an indefinite length', Uint8Array.of(0x30, 0x80, 0, 0)],
  ['a length that is not minimal', Uint8Array.of(0x30, 0x81, 0x01, 0x00)],
  ['a length beyond the end', Uint8Array.of(0x30, 0x05, 0x00)],
])('gives X509_MALFORMED because of DER_MALFORMED for %s', (_, bytes) => {
  expect(caught(bytes)).toMatchObject({
    code: 'X509_MALFORMED',
    cause: { code: 'DER_MALFORMED' },
  });
});

it('gives X509_TOO_LARGE before it reads anything', () => {
  expect(caught(new Uint8Array(64 * 1024))).toMatchObject({ code: 'X509_TOO_LARGE' });
});

it('DER_LIMIT_EXCEEDED: values nested deeper than any that are needed', () => {
  const within = (depth: number): DerReader => {
    let reader = new DerReader(new Uint8Array());
    for (let level = 0; level < depth; level += 1) reader = reader.within(new Uint8Array());
    return reader;
  };
  expect(codeOf(() => within(DER_DEPTH_MAX))).toBe('accepted');
  expect(codeOf(() => within(DER_DEPTH_MAX + 1))).toBe('DER_LIMIT_EXCEEDED');
});

it('DER_LIMIT_EXCEEDED: a certificate with more extensions than any has', () => {
  const key = p256Key();
  const withExtensions = (count: number): Uint8Array =>
    makeP256Certificate({
      subject: 'many',
      issuer: 'many',
      organisation: 'test',
      key,
      signer: key,
      serial: 1,
      notBefore: 0,
      notAfter: Date.UTC(2040),
      extensions: [
        ...endEntity(),
        ...Array.from({ length: count - 2 }, (_, at) =>
          extension(`1.2.3.${at}`, octets(new Uint8Array())),
        ),
      ],
    });
  expect(codeOf(() => parseCertificate(withExtensions(EXTENSIONS_MAX)))).toBe('accepted');
  expect(caught(withExtensions(EXTENSIONS_MAX + 1))).toMatchObject({
    code: 'X509_MALFORMED',
    cause: { code: 'DER_LIMIT_EXCEEDED' },
  });
});
