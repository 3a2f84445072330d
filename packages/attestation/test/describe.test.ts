import { describe, expect, it } from 'vitest';
import { fromHex, unixMillis } from '@witan/core';
import {
  appraise,
  configDigestFor,
  describeRefusal,
  parseReferenceValues,
  readConfigDigestUnverified,
  wantedConfigDigest,
  type AppraisalContext,
  type Evidence,
  type ReferenceValues,
} from '../src/index.ts';
import { createTdxHierarchy, healthyTdReport, TDX_NOW_MS, testCrypto } from '../testing/index.ts';
import { referenceJsonFor } from '../testing/tdx-vectors.ts';

const hierarchy = createTdxHierarchy();
const report = healthyTdReport();
const quote = hierarchy.quote(report);
const evidence: Evidence = { kind: 'tdx', quote, endorsements: hierarchy.endorsements };
const context: AppraisalContext = {
  now: unixMillis(TDX_NOW_MS),
  crypto: testCrypto,
  expectedReportData: report.reportData,
  revocation: 'required',
  developmentRoots: 'as-listed',
};
const entry = (changes: object = {}): ReferenceValues => {
  const developmentRoots = [hierarchy.fingerprint];
  return parseReferenceValues({ ...referenceJsonFor(quote), developmentRoots, ...changes }, '');
};

function told(values: readonly ReferenceValues[], changes: Partial<AppraisalContext> = {}): string {
  const result = appraise(evidence, values, { ...context, ...changes });
  return result.kind === 'refused' ? describeRefusal(result) : 'accepted';
}

const ZERO = '00'.repeat(48);

describe('a refusal in words', () => {
  it('names every failed check with expected and found values, and what to do', () => {
    const text = told([entry({ mrTd: [ZERO], mrConfigId: ZERO })]);
    expect(text).toBe(
      `TDX_MRTD (expected ${ZERO}, found ${'3e'.repeat(48)}); ` +
        `TDX_CONFIG_ID (expected ${ZERO}, found ${'40'.repeat(48)}). ` +
        'Next: run the firmware that the manifest lists, or list the MRTD of this one',
    );
  });

  it('shows times as dates', () => {
    const afterwards = unixMillis(TDX_NOW_MS + 31 * 24 * 3600 * 1000);
    const dates =
      'expected 2026-05-31T00:00:00Z to 2026-07-01T00:00:00Z, found 2026-07-02T00:00:00Z';
    expect(told([entry()], { now: afterwards })).toContain(`TDX_CRL_VALIDITY (${dates}). Next: `);
    const leapDay = unixMillis(Date.UTC(2028, 1, 29, 23, 59, 58));
    expect(told([entry()], { now: leapDay })).toContain('found 2028-02-29T23:59:58Z');
  });

  it('tells about the closest of several entries first, and how many more there are', () => {
    const far = entry({ mrTd: [ZERO], mrConfigId: ZERO });
    const near = entry({ mrConfigId: ZERO });
    expect(told([far, near])).toMatch(/^entry 1: TDX_CONFIG_ID .* \| entry 0: TDX_MRTD /);
    expect(told([far, near, far, far, far])).toContain('| and 2 entries more. Next: ');
  });

  it('says something where there is nothing to compare with', () => {
    expect(told([])).toMatch(/^APPRAISAL_NO_REFERENCE_VALUES\. Next: /);
  });

  it('never grows with a long list of entries', () => {
    const many = Array.from({ length: 64 }, () => entry({ mrTd: [ZERO] }));
    expect(told(many).length).toBeLessThan(2000);
  });
});

describe('the configuration that was measured', () => {
  const digest = new Uint8Array(32).fill(7);

  it('is 32 bytes of HOST_DATA, or MRCONFIGID with zeros behind', () => {
    expect(configDigestFor('snp', digest)).toEqual(digest);
    expect(configDigestFor('tdx', digest)).toEqual(fromHex(`${'07'.repeat(32)}${'00'.repeat(16)}`));
  });

  it('is read from a quote, and wanted by reference values', () => {
    expect(readConfigDigestUnverified(evidence)).toEqual(report.mrConfigId);
    expect(wantedConfigDigest(entry())).toBe('40'.repeat(48));
  });
});
