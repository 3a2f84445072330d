/** Altered, cut, grown and invented evidence: nothing is accepted, nothing throws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSnpReport, RecentSnpChains, verifySnp, type SnpEndorsements } from '../src/index.ts';
import { makeAuthorities } from './support/hierarchy.ts';
import { judge, outcome, scene } from './support/scene.ts';

const milan = makeAuthorities('Milan');
const healthy = scene(milan, {
  endorsements: { crl: undefined },
  // Only the report changes, so the chain need not be verified anew for each of the flips.
  options: { revocation: 'if-present', chainCache: new RecentSnpChains(4) },
});
const verify = (report: Uint8Array): string => outcome(verifySnp({ ...healthy, report }));

/** Order of the group of P-384 (SEC 2, section 2.5.1). */
const P384_ORDER = BigInt(`0x${'ff'.repeat(24)}c7634d81f4372ddf581a0db248b0a77aecec196accc52973`);

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return changed;
}

describe('a healthy synthetic report', () => {
  it('is accepted before it is altered', () => {
    expect(verify(healthy.report)).toBe('accepted');
  });

  // Every bit of every byte, on real evidence too: `npm run attestation:robustness`.
  it('is refused after a bit flip in any of its 1184 bytes', { timeout: 120_000 }, () => {
    const accepted: number[] = [];
    for (let at = 0; at < healthy.report.byteLength; at += 1) {
      const bit = 8 * at + (at % 8);
      if (verify(flipped(healthy.report, bit)) === 'accepted') accepted.push(bit);
    }
    expect(accepted).toEqual([]);
  });

  it('is refused at every other length', () => {
    const padded = new Uint8Array(healthy.report.byteLength + 64);
    padded.set(healthy.report);
    for (let length = 0; length < padded.byteLength; length += 1) {
      if (length === healthy.report.byteLength) continue;
      expect(verify(padded.slice(0, length))).toBe('SNP_REPORT_LENGTH');
    }
  });

  it('is the same report under the other form of its malleable signature', () => {
    const s = healthy.report.slice(0x2e8, 0x2e8 + 48).reverse();
    const negated = P384_ORDER - BigInt(`0x${Buffer.from(s).toString('hex')}`);
    const twin = Uint8Array.from(healthy.report);
    const bytes = Buffer.from(negated.toString(16).padStart(96, '0'), 'hex').reverse();
    twin.set(bytes, 0x2e8);
    expect(twin).not.toEqual(healthy.report);
    expect(verify(twin)).toBe('accepted');
    const [one, other] = [parseSnpReport(healthy.report), parseSnpReport(twin)];
    expect({ ...other, signature: one.signature }).toEqual(one);
  });

  it('is refused when R or S is zero or the group order', () => {
    const order = Buffer.from(P384_ORDER.toString(16), 'hex').reverse();
    for (const at of [0x2a0, 0x2e8]) {
      for (const value of [new Uint8Array(48), order, new Uint8Array(48).fill(0xff)]) {
        const changed = Uint8Array.from(healthy.report);
        changed.set(value, at);
        expect(verify(changed)).toBe('SNP_REPORT_SIGNATURE');
      }
    }
  });
});

describe('garbage (I10)', () => {
  it('as a report is refused with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1184, maxLength: 1184 }), (report) => {
        expect(verify(report)).toMatch(/^SNP_/);
      }),
    );
  });

  const names = ['vek', 'intermediate', 'root'] as const;

  it('in the place of any endorsement is refused with a code', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.uint8Array({ maxLength: 3000 }), (name, bytes) => {
        const endorsements: SnpEndorsements = { ...healthy.endorsements, [name]: bytes };
        expect(outcome(verifySnp({ ...healthy, endorsements }))).toBe('SNP_ENDORSEMENT_MALFORMED');
      }),
    );
  });

  it('anywhere in an endorsement is refused', () => {
    const flips = fc.tuple(fc.constantFrom(...names), fc.nat(), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(flips, ([name, place, mask]) => {
        const bytes = Uint8Array.from(healthy.endorsements[name] ?? []);
        const at = place % bytes.byteLength;
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        const endorsements: SnpEndorsements = { ...healthy.endorsements, [name]: bytes };
        expect(outcome(verifySnp({ ...healthy, endorsements }))).toMatch(/^SNP_/);
      }),
      { numRuns: 500 },
    );
  });

  it('as a certificate table is ignored or refused, never believed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (certificateTable) => {
        const endorsements: SnpEndorsements = { ...healthy.endorsements, certificateTable };
        expect(outcome(verifySnp({ ...healthy, endorsements }))).toMatch(
          /^(accepted|SNP_CERTIFICATE_TABLE_MALFORMED)$/,
        );
      }),
    );
  });
});

describe('endorsements of one report', () => {
  it('do not fit another chip at the same TCB', () => {
    const other = judge(milan, {
      report: { chipId: new Uint8Array(64).fill(0x77) },
      options: { revocation: 'if-present' },
    });
    expect(outcome(other)).toBe('SNP_CHIP_ID');
  });
});
