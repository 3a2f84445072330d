import fc from 'fast-check';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  CERTIFICATE_BYTES_MAX,
  CRL_BYTES_MAX,
  PEM_BYTES_MAX,
  isSignedBy,
  isValidAt,
  parseCertificate,
  parseCrl,
  parsePem,
  parsePemCertificates,
  toPem,
} from '../src/index.ts';
import { unixMillis } from '@witan/core';
import { der, extension, ia5, integer, sequence } from '../testing/der-writer.ts';
import { authorityExtensions, makeCertificate, makeCrl, rsaKey } from '../testing/snp-hierarchy.ts';
import { testCrypto } from '../testing/node-crypto.ts';
import { SELF_SIGNED } from './support/self-signed.ts';
import { codeOf } from './support/code-of.ts';

const key = rsaKey(2048);
const other = rsaKey(2048);
const plan = {
  subject: 'a',
  issuer: 'b',
  key,
  signer: key,
  serial: 0x80ff,
  notBefore: Date.UTC(2026, 0, 1, 1, 2, 3),
  notAfter: Date.UTC(2051, 11, 31, 23, 59, 59),
  extensions: authorityExtensions(true, 0),
};
const crlPlan = {
  issuer: 'b',
  signer: key,
  thisUpdate: Date.UTC(2026, 0, 1),
  nextUpdate: Date.UTC(2026, 1, 1),
  revoked: [1, 0x80, 0xffff],
  extensions: [],
};

describe('a certificate', () => {
  const parsed = parseCertificate(makeCertificate(plan));

  it('is read as OpenSSL reads it', () => {
    const reference = new X509Certificate(parsed.der);
    expect(parsed.notBefore).toBe(Date.parse(reference.validFrom));
    expect(parsed.notAfter).toBe(Date.parse(reference.validTo));
    expect(parsed.serial).toBe(reference.serialNumber.toLowerCase());
    expect(Buffer.from(parsed.spki)).toEqual(
      reference.publicKey.export({ format: 'der', type: 'spki' }),
    );
    expect(parsed.subject.commonName).toBe('a');
    expect(parsed.issuer.commonName).toBe('b');
    expect(parsed.publicKey).toEqual({ kind: 'rsa', modulusBits: 2048 });
    expect(parsed.signatureAlgorithm).toEqual({ kind: 'rsa-pss', hash: 'sha384' });
    expect(parsed.basicConstraints).toEqual({ ca: true, pathLength: 0 });
    expect(parsed.keyUsage).toBe(0x60);
  });

  it('is signed by its signer and by nobody else', () => {
    const stranger = parseCertificate(makeCertificate({ ...plan, key: other }));
    expect(isSignedBy(parsed, parsed, testCrypto)).toBe(true);
    expect(isSignedBy(parsed, stranger, testCrypto)).toBe(false);
  });

  it('is valid from the first to the last second', () => {
    expect(isValidAt(parsed, unixMillis(plan.notBefore - 1))).toBe(false);
    expect(isValidAt(parsed, unixMillis(plan.notBefore))).toBe(true);
    expect(isValidAt(parsed, unixMillis(plan.notAfter))).toBe(true);
    expect(isValidAt(parsed, unixMillis(plan.notAfter + 1))).toBe(false);
  });

  it.each(Object.entries(SELF_SIGNED))('made by OpenSSL with %s gives its key', (_, pem) => {
    const [bytes = new Uint8Array()] = parsePemCertificates(pem);
    const own = parseCertificate(bytes);
    const reference = new X509Certificate(pem).publicKey.export({ format: 'der', type: 'spki' });
    expect(Buffer.from(own.spki)).toEqual(reference);
    expect(isSignedBy(own, own, testCrypto)).toBe(true);
  });

  it('may have a key of a kind that is not supported, but then signs nothing', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-521' });
    const certificate = parseCertificate(makeCertificate({ ...plan, key: pair }));
    expect(certificate.publicKey.kind).toBe('unsupported');
    expect(isSignedBy(parsed, certificate, testCrypto)).toBe(false);
  });

  it('is refused when an extension stands in it twice', () => {
    const twice = extension('1.2.3', ia5('x'));
    const bytes = makeCertificate({ ...plan, extensions: [twice, twice] });
    expect(codeOf(() => parseCertificate(bytes))).toBe('X509_DUPLICATE_EXTENSION');
  });

  it('is refused above its size limit', () => {
    const bytes = new Uint8Array(CERTIFICATE_BYTES_MAX + 1);
    expect(codeOf(() => parseCertificate(bytes))).toBe('X509_TOO_LARGE');
  });

  it('is refused with too many extensions', () => {
    const extensions = Array.from({ length: 65 }, (_, at) => extension(`1.2.${at + 1}`, ia5('x')));
    const bytes = makeCertificate({ ...plan, extensions });
    expect(codeOf(() => parseCertificate(bytes))).toBe('X509_MALFORMED');
  });

  it('is refused with anything behind it or cut anywhere', () => {
    const bytes = makeCertificate(plan);
    expect(codeOf(() => parseCertificate(Uint8Array.of(...bytes, 0)))).toBe('X509_MALFORMED');
    for (let length = 0; length < bytes.byteLength; length += 1) {
      expect(codeOf(() => parseCertificate(bytes.slice(0, length)))).toBe('X509_MALFORMED');
    }
  });

  it('never throws anything without a code, whatever byte is changed (I10)', () => {
    const bytes = makeCertificate(plan);
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), fc.nat(255), (at, value) => {
        expect(codeOf(() => parseCertificate(bytes.with(at, value)))).toMatch(/^(accepted|X509_)/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('strict DER', () => {
  const bad: readonly (readonly [string, Uint8Array])[] = [
    ['an indefinite length', Uint8Array.of(0x30, 0x80, 0, 0)],
    ['a long length in more octets than needed', Uint8Array.of(0x30, 0x81, 0x00)],
    ['a length with leading zeros', Uint8Array.of(0x30, 0x82, 0x00, 0x80)],
    ['a length of five octets', Uint8Array.of(0x30, 0x85, 1, 0, 0, 0, 0)],
    ['a high tag number', Uint8Array.of(0x3f, 0x1f, 0)],
    ['no bytes', new Uint8Array()],
  ];

  it.each(bad)('refuses %s', (_, bytes) => {
    expect(codeOf(() => parseCertificate(bytes))).toBe('X509_MALFORMED');
  });

  it('refuses an integer that is negative or not minimal', () => {
    const healthy = makeCrl({ ...crlPlan, revoked: [0x42] });
    const at = Buffer.from(healthy).indexOf(Buffer.from([0x02, 0x01, 0x42]));
    expect(codeOf(() => parseCrl(healthy.with(at + 2, 0x80)))).toBe('CRL_MALFORMED');
    const wide = makeCrl({ ...crlPlan, revoked: [0x4242] });
    const wideAt = Buffer.from(wide).indexOf(Buffer.from([0x02, 0x02, 0x42, 0x42]));
    expect(codeOf(() => parseCrl(wide.with(wideAt + 2, 0)))).toBe('CRL_MALFORMED');
  });
});

describe('a revocation list', () => {
  it('gives serial numbers in the form that certificates have', () => {
    const crl = parseCrl(makeCrl(crlPlan));
    expect([...crl.revokedSerials]).toEqual(['01', '80', 'ffff']);
    expect(crl.thisUpdate).toBe(crlPlan.thisUpdate);
    expect(crl.nextUpdate).toBe(crlPlan.nextUpdate);
    expect(
      crl.revokedSerials.has(parseCertificate(makeCertificate({ ...plan, serial: 0x80 })).serial),
    ).toBe(true);
  });

  it('of limited scope is refused', () => {
    const scope = extension('2.5.29.28', sequence(), true);
    expect(codeOf(() => parseCrl(makeCrl({ ...crlPlan, extensions: [scope] })))).toBe(
      'CRL_MALFORMED',
    );
    const number = extension('2.5.29.20', integer(7));
    expect(codeOf(() => parseCrl(makeCrl({ ...crlPlan, extensions: [number] })))).toBe('accepted');
  });

  it('is refused above its size limit', () => {
    expect(codeOf(() => parseCrl(new Uint8Array(CRL_BYTES_MAX + 1)))).toBe('CRL_TOO_LARGE');
  });

  it('never throws anything without a code, whatever byte is changed (I10)', () => {
    const bytes = makeCrl(crlPlan);
    fc.assert(
      fc.property(fc.nat(bytes.byteLength - 1), fc.nat(255), (at, value) => {
        expect(codeOf(() => parseCrl(bytes.with(at, value)))).toMatch(/^(accepted|CRL_|X509_DUP)/);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('times', () => {
  const dates = fc.date({
    min: new Date('1970-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  });

  it('are read as the calendar says', () => {
    const bytes = makeCertificate(plan);
    const from = Buffer.from(bytes).indexOf(Buffer.from('20511231235959Z'));
    fc.assert(
      fc.property(dates, (date) => {
        const text = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
        const changed = Uint8Array.from(bytes);
        changed.set(Buffer.from(text), from);
        const expected = Math.floor(date.getTime() / 1000) * 1000;
        expect(parseCertificate(changed).notAfter).toBe(expected);
      }),
    );
  });

  it.each([
    '20510229000000Z',
    '20511301000000Z',
    '20511231240000Z',
    '2051123123595.Z',
    '19691231235959Z',
  ])('refuse %s', (text) => {
    const bytes = makeCertificate(plan);
    const from = Buffer.from(bytes).indexOf(Buffer.from('20511231235959Z'));
    bytes.set(Buffer.from(text), from);
    expect(codeOf(() => parseCertificate(bytes))).toBe('X509_MALFORMED');
  });
});

describe('PEM', () => {
  it('comes back from its text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        expect(parsePem(toPem('CERTIFICATE', bytes))).toEqual([
          { label: 'CERTIFICATE', der: bytes },
        ]);
      }),
    );
  });

  it('gives certificates in order and leaves out other blocks', () => {
    const text = [
      'before\r\n',
      toPem('CERTIFICATE', Uint8Array.of(1)).replaceAll('\n', '\r\n'),
      toPem('X509 CRL', Uint8Array.of(9)),
      toPem('CERTIFICATE', Uint8Array.of(2)),
      '\0',
    ].join('');
    expect(parsePemCertificates(text)).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
  });

  it('is refused when a block is cut, is not base64, or is too large', () => {
    const text = toPem('CERTIFICATE', Uint8Array.of(1, 2, 3));
    expect(codeOf(() => parsePem(text.slice(0, -20)))).toBe('PEM_MALFORMED');
    expect(codeOf(() => parsePem(text.replace('AQID', '!!!!')))).toBe('PEM_MALFORMED');
    expect(codeOf(() => parsePem(' '.repeat(PEM_BYTES_MAX + 1)))).toBe('PEM_TOO_LARGE');
    expect(codeOf(() => parsePem(text.repeat(17)))).toBe('PEM_TOO_LARGE');
  });
});

describe('nesting', () => {
  it('is bounded', () => {
    let bytes: Uint8Array = new Uint8Array();
    for (let depth = 0; depth < 40; depth += 1) bytes = der(0x30, bytes);
    expect(codeOf(() => parseCertificate(bytes))).toBe('X509_MALFORMED');
  });
});
