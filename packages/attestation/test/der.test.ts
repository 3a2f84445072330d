/** The DER reader refuses what is not DER, and certificates that are larger than any can be. */
import { expect, it } from 'vitest';
import { parseCertificate } from '@witan/attestation';

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
