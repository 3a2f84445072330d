import { describe, expect, it } from 'vitest';
import { parseReferenceValues, parseTdxReferenceValues } from '../src/index.ts';
import { codeOf } from './support/code-of.ts';

const digest = 'ab'.repeat(48);
const minimal = {
  tee: 'tdx',
  mrTd: [digest],
  rtmr0: 'any',
  rtmr1: [digest],
  rtmr2: [digest],
  rtmr3: 'any',
  mrConfigId: digest,
};

describe('reference values for TDX', () => {
  it('get the stricter default for everything that is left out', () => {
    const zero = '00'.repeat(48);
    expect(parseReferenceValues(minimal, '')).toEqual({
      ...minimal,
      mrOwner: zero,
      mrOwnerConfig: zero,
      mrServiceTd: [zero],
      tcbStatuses: ['UpToDate'],
      advisoriesTolerated: [],
      outOfDateGraceDays: 0,
      minimumTcbEvaluationDataNumber: 0,
      debug: false,
      septVeClear: false,
      migratable: false,
      perfmon: false,
      smt: true,
      dynamicPlatform: true,
      cachedKeys: true,
    });
  });

  it('parse to themselves', () => {
    const full = { ...minimal, mrSeam: [digest], platformInstanceIds: ['11'.repeat(16)] };
    const once = parseTdxReferenceValues(full, '');
    expect(parseTdxReferenceValues(JSON.parse(JSON.stringify(once)), '')).toEqual(once);
  });

  const wrong: readonly (readonly [string, object])[] = [
    ['a register that is not mentioned', { rtmr0: undefined }],
    ['null for a default', { debug: null }],
    ['a measurement that may be anything', { mrTd: 'any' }],
    ['a revoked platform accepted', { tcbStatuses: ['Revoked'] }],
    ['an unsupported platform accepted', { tcbStatuses: ['NotSupported'] }],
    ['an unknown field', { measurement: [digest] }],
    ['no MRTD', { mrTd: [] }],
  ];

  it.each(wrong)('are refused with %s (I10)', (_, change) => {
    const value = { ...minimal, ...change };
    expect(codeOf(() => parseReferenceValues(value, ''))).toBe('REFERENCE_VALUES_INVALID');
  });
});
