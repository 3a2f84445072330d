import { describe, expect, it } from 'vitest';
import { unixMillis } from '@witan/core';
import {
  appraise,
  parseReferenceValues,
  type AppraisalContext,
  type Evidence,
  type ReferenceValues,
} from '../src/index.ts';
import { makeAuthorities, NOW_MS } from '../testing/snp-hierarchy.ts';
import { testCrypto } from '../testing/node-crypto.ts';
import { referenceJson, scene } from './support/scene.ts';

const milan = makeAuthorities('Milan');
const { report, endorsements } = scene(milan);
const evidence: Evidence = { kind: 'snp', report, endorsements };
const context: AppraisalContext = {
  now: unixMillis(NOW_MS),
  crypto: testCrypto,
  expectedReportData: new Uint8Array(64).fill(0xda),
  revocation: 'required',
  developmentRoots: 'as-listed',
};
const entry = (changes: object = {}): ReferenceValues =>
  parseReferenceValues(referenceJson(milan, changes as Record<string, unknown>), 'entry');
const otherImage = entry({
  measurement: ['00'.repeat(48)],
  minimumTcb: { bootloader: 255, tee: 0, snp: 0, microcode: 0 },
});
const otherPolicy = entry({ hostData: '00'.repeat(32) });
const { developmentRoots: _, ...withoutRoots } = referenceJson(milan);
const production = parseReferenceValues(withoutRoots, 'entry');

describe('an appraisal', () => {
  it('accepts by the first entry that fits, and says which', () => {
    const result = appraise(evidence, [otherImage, entry(), entry()], context);
    expect(result).toMatchObject({ kind: 'accepted', entryIndex: 1, claims: { simulated: true } });
    expect(result.kind === 'accepted' && result.checks.every(({ passed }) => passed)).toBe(true);
  });

  it('refuses with the reasons of every entry and the code of the closest', () => {
    const result = appraise(evidence, [otherImage, otherPolicy], context);
    if (result.kind !== 'refused') throw new Error('accepted');
    expect(result.refusals.map(({ code }) => code)).toEqual([
      'SNP_TCB_BELOW_MINIMUM',
      'SNP_HOST_DATA',
    ]);
    expect(result.code).toBe('SNP_HOST_DATA');
    expect(result.refusals[1]?.detail).toEqual({
      expected: '00'.repeat(32),
      found: '40'.repeat(32),
    });
    const failed = result.refusals[0]?.checks.filter(({ passed }) => !passed);
    expect(failed?.map(({ code }) => code)).toEqual(['SNP_TCB_BELOW_MINIMUM', 'SNP_MEASUREMENT']);
  });

  it('refuses everything without reference values (I10)', () => {
    expect(appraise(evidence, [], context)).toEqual({
      kind: 'refused',
      code: 'APPRAISAL_NO_REFERENCE_VALUES',
      refusals: [],
    });
  });

  it('refuses forged evidence once for all entries', () => {
    const forged: Evidence = { ...evidence, report: report.with(0x90, 0) };
    const result = appraise(forged, [entry(), otherPolicy], context);
    expect(result).toMatchObject({ kind: 'refused', code: 'SNP_REPORT_SIGNATURE' });
    expect(result.kind === 'refused' && result.refusals.length).toBe(2);
  });
});

describe('a development root (I11)', () => {
  it('is accepted by no entry that does not list it, even beside one that does', () => {
    expect(appraise(evidence, [production], context)).toMatchObject({ code: 'SNP_ROOT_UNTRUSTED' });
    const listedElsewhere = entry({ hostData: '00'.repeat(32) });
    const result = appraise(evidence, [production, listedElsewhere], context);
    if (result.kind !== 'refused') throw new Error('accepted');
    expect(result.refusals[0]?.code).toBe('SNP_DEVELOPMENT_ROOT');
  });

  it('is refused by a production build whatever is listed', () => {
    const result = appraise(evidence, [entry()], { ...context, developmentRoots: 'refused' });
    expect(result).toMatchObject({ kind: 'refused', code: 'SNP_ROOT_UNTRUSTED' });
  });
});
