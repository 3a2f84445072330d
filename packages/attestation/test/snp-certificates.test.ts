import { describe, expect, it } from 'vitest';
import { unixMillis } from '@witan/core';
import { verifySnp } from '../src/index.ts';
import {
  makeAuthorities,
  NOW_MS,
  p384Key,
  resignBytes,
  YEAR_MS,
} from '../testing/snp-hierarchy.ts';
import { judge, outcome, scene } from './support/scene.ts';

const milan = makeAuthorities('Milan');

describe('the certificate table', () => {
  const table = (entries: readonly (readonly [string, Uint8Array])[]): Uint8Array => {
    const head = 24 * (entries.length + 1);
    const bytes = Buffer.alloc(head + entries.reduce((sum, [, blob]) => sum + blob.length, 0));
    let offset = head;
    for (const [at, [guid, blob]] of entries.entries()) {
      bytes.write(guid.replaceAll('-', ''), at * 24, 'hex');
      bytes.writeUInt32LE(offset, at * 24 + 16);
      bytes.writeUInt32LE(blob.length, at * 24 + 20);
      bytes.set(blob, offset);
      offset += blob.length;
    }
    return new Uint8Array(bytes);
  };
  const VCEK = '63da758d-e664-4564-adc5-f4b93be8accd';
  const ASK = '4ab7b379-bbac-4fe4-a02f-05aef327c782';
  const ARK = 'c0b406a4-a803-4952-9743-3fb6014cd0ae';
  const good = scene(milan);
  const { vek, intermediate, root } = good.endorsements;
  if (vek === undefined || intermediate === undefined || root === undefined) throw new Error();
  const verifyWith = (certificateTable: Uint8Array, extra: object = {}): string =>
    outcome(
      verifySnp({
        ...good,
        endorsements: { certificateTable, crl: good.endorsements.crl as Uint8Array, ...extra },
      }),
    );

  it('suggests VCEK and ASK', () => {
    expect(
      verifyWith(
        table([
          [VCEK, vek],
          [ASK, intermediate],
        ]),
        { root },
      ),
    ).toBe('accepted');
  });

  it('is read in the mixed byte order of GUIDs too', () => {
    const mixed = '8d75da63-64e6-6445-adc5-f4b93be8accd';
    expect(
      verifyWith(
        table([
          [mixed, vek],
          [ASK, intermediate],
        ]),
        { root },
      ),
    ).toBe('accepted');
  });

  it('never gives the root', () => {
    const all = table([
      [VCEK, vek],
      [ASK, intermediate],
      [ARK, root],
    ]);
    expect(verifyWith(all)).toBe('SNP_ENDORSEMENT_MISSING');
  });

  it('is refused when an entry points outside', () => {
    const bytes = table([[VCEK, vek]]);
    new DataView(bytes.buffer).setUint32(16, 0xffffff00, true);
    expect(verifyWith(bytes, { root })).toBe('SNP_CERTIFICATE_TABLE_MALFORMED');
  });
});

describe('time', () => {
  const at = (millis: number): string =>
    outcome(
      judge(milan, {
        options: { now: unixMillis(millis), revocation: 'if-present' },
        endorsements: { crl: undefined },
        vekCertificate: { notBefore: NOW_MS, notAfter: NOW_MS + YEAR_MS },
      }),
    );

  it('is checked at both ends of the VCEK to the second', () => {
    expect(at(NOW_MS - 1000)).toBe('SNP_VEK_VALIDITY');
    expect(at(NOW_MS)).toBe('accepted');
    expect(at(NOW_MS + YEAR_MS)).toBe('accepted');
    expect(at(NOW_MS + YEAR_MS + 1000)).toBe('SNP_VEK_VALIDITY');
  });

  it('is checked at both ends of the revocation list to the second', () => {
    const crlAt = (millis: number): string =>
      outcome(
        judge(milan, {
          options: { now: unixMillis(millis) },
          crl: { thisUpdate: NOW_MS, nextUpdate: NOW_MS + 5000 },
        }),
      );
    expect(crlAt(NOW_MS - 1000)).toBe('SNP_CRL_VALIDITY');
    expect(crlAt(NOW_MS)).toBe('accepted');
    expect(crlAt(NOW_MS + 5000)).toBe('accepted');
    expect(crlAt(NOW_MS + 6000)).toBe('SNP_CRL_VALIDITY');
  });
});

describe('keys of strangers', () => {
  it('cannot sign a report for a genuine certificate', () => {
    const stranger = p384Key();
    const verdict = judge(milan, { bytes: (bytes) => resignBytes(bytes, stranger) });
    expect(outcome(verdict)).toBe('SNP_REPORT_SIGNATURE');
  });

  it('cannot use zero as a signature', () => {
    const bytes = (signed: Uint8Array): Uint8Array => signed.fill(0, 0x2a0);
    expect(outcome(judge(milan, { bytes }))).toBe('SNP_REPORT_SIGNATURE');
  });
});
