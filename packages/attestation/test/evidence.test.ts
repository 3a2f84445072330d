import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CERTIFICATE_BYTES_MAX,
  EVIDENCE_BYTES_MAX,
  decodeEvidence,
  encodeEvidence,
  type Evidence,
} from '../src/index.ts';
import { codeOf } from './support/code-of.ts';

const part = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined });
const evidences: fc.Arbitrary<Evidence> = fc
  .tuple(
    fc.uint8Array({ minLength: 1184, maxLength: 1184 }),
    fc.record({ vek: part, intermediate: part, root: part, crl: part, certificateTable: part }),
  )
  .map(([report, parts]) => ({
    kind: 'snp',
    report,
    endorsements: Object.fromEntries(
      Object.entries(parts).filter(([, bytes]) => bytes !== undefined),
    ),
  }));

describe('encoded evidence', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(evidences, (evidence) => {
        expect(decodeEvidence(encodeEvidence(evidence))).toEqual(evidence);
      }),
    );
  });

  it('has one encoding', () => {
    fc.assert(
      fc.property(evidences, fc.nat(), fc.nat(255), (evidence, place, value) => {
        const bytes = encodeEvidence(evidence);
        const changed = bytes.with(place % bytes.byteLength, value);
        const code = codeOf(() => {
          expect(encodeEvidence(decodeEvidence(changed))).toEqual(changed);
        });
        expect(code).toMatch(/^(accepted|EVIDENCE_)/);
      }),
    );
  });

  it('is refused when cut, grown or invented (I10)', () => {
    const bytes = encodeEvidence({ kind: 'snp', report: new Uint8Array(1184), endorsements: {} });
    for (let length = 0; length < bytes.byteLength; length += 1) {
      expect(codeOf(() => decodeEvidence(bytes.slice(0, length)))).toBe('EVIDENCE_MALFORMED');
    }
    expect(codeOf(() => decodeEvidence(Uint8Array.of(...bytes, 0)))).toBe('EVIDENCE_MALFORMED');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (garbage) => {
        expect(codeOf(() => decodeEvidence(garbage))).toMatch(/^EVIDENCE_/);
      }),
    );
  });

  it('of an unknown version or kind is refused (I10)', () => {
    const bytes = encodeEvidence({ kind: 'snp', report: new Uint8Array(1184), endorsements: {} });
    expect(codeOf(() => decodeEvidence(bytes.with(0, 2)))).toBe('EVIDENCE_MALFORMED');
    expect(codeOf(() => decodeEvidence(bytes.with(1, 9)))).toBe('EVIDENCE_MALFORMED');
  });

  it('has limits in both directions', () => {
    const vek = new Uint8Array(CERTIFICATE_BYTES_MAX + 1);
    const evidence: Evidence = { kind: 'snp', report: new Uint8Array(1184), endorsements: { vek } };
    expect(codeOf(() => encodeEvidence(evidence))).toBe('EVIDENCE_TOO_LARGE');
    const short: Evidence = { kind: 'snp', report: new Uint8Array(7), endorsements: {} };
    expect(codeOf(() => encodeEvidence(short))).toBe('SNP_REPORT_LENGTH');
    const long = new Uint8Array(EVIDENCE_BYTES_MAX + 1);
    expect(codeOf(() => decodeEvidence(long))).toBe('EVIDENCE_TOO_LARGE');
    const header = encodeEvidence({ kind: 'snp', report: new Uint8Array(1184), endorsements: {} });
    const claimed = Uint8Array.of(...header.slice(0, 2 + 1184), 1, 0xff, 0xff, 0xff, 0xff);
    expect(codeOf(() => decodeEvidence(claimed))).toBe('EVIDENCE_TOO_LARGE');
  });
});
