import { describe, expect, it } from 'vitest';
import { unixMillis } from '@witan/core';
import { mergeTcbStatus, rateTdx, type TdxRating } from '../src/index.ts';

type Tcb = Parameters<typeof rateTdx>[0];
type Levels = Parameters<typeof rateTdx>[1];
type Status = Levels['quotingEnclave'][number]['status'];

const date = unixMillis(0);
const sixteen = (...first: readonly number[]): number[] =>
  Array.from({ length: 16 }, (_, index) => first[index] ?? 0);
const platform = (
  sgx: number,
  tdx: readonly number[],
  status: Status,
  advisories: readonly string[] = [],
): Levels['platform'][number] => ({
  sgx: sixteen(sgx),
  pceSvn: 10,
  tdx: sixteen(...tdx),
  date,
  status,
  advisories,
});
const enclave = (
  isvSvn: number,
  status: Status,
  advisories: readonly string[] = [],
): Levels['quotingEnclave'][number] => ({ isvSvn, date, status, advisories });
const identity = (
  id: string,
  levels: Levels['quotingEnclave'],
): Levels['moduleIdentities'][number] => ({
  id,
  mrSigner: '',
  attributes: '',
  attributesMask: '',
  levels,
});

const LEVELS: Levels = {
  platform: [platform(5, [5, 0, 3], 'UpToDate'), platform(2, [2, 0, 2], 'OutOfDate', ['P'])],
  moduleIdentities: [
    identity('TDX_01', [
      enclave(6, 'UpToDate'),
      enclave(4, 'OutOfDate', ['M']),
      enclave(2, 'Revoked', ['R']),
    ]),
  ],
  quotingEnclave: [enclave(7, 'UpToDate'), enclave(5, 'OutOfDate', ['Q'])],
};
const TCB: Tcb = {
  components: sixteen(5),
  pceSvn: 10,
  teeTcbSvn: Uint8Array.from(sixteen(6, 1, 3)),
  teeTcbSvn2: undefined,
  qeIsvSvn: 7,
};
const rate = (tcb: Partial<Tcb>, levels: Partial<Levels> = {}): TdxRating =>
  rateTdx({ ...TCB, ...tcb }, { ...LEVELS, ...levels });
const svns = (...first: readonly number[]): Uint8Array => Uint8Array.from(sixteen(...first));

describe('the rating of a TDX platform', () => {
  const cases: readonly (readonly [string, Partial<Tcb>, string, readonly string[]])[] = [
    ['everything current', {}, 'UpToDate', []],
    ['an old SGX component', { components: sixteen(4) }, 'OutOfDate', ['P']],
    ['an SGX component below every level', { components: sixteen(1) }, 'NotSupported', []],
    ['an old provisioning enclave', { pceSvn: 9 }, 'NotSupported', []],
    ['old microcode', { teeTcbSvn: svns(6, 1, 2) }, 'OutOfDate', ['P']],
    ['an old module on a current platform', { teeTcbSvn: svns(4, 1, 3) }, 'OutOfDate', ['M']],
    ['a revoked module', { teeTcbSvn: svns(3, 1, 3) }, 'Revoked', ['R']],
    ['a module below every level', { teeTcbSvn: svns(1, 1, 3) }, 'NotSupported', []],
    ['a module version without identity', { teeTcbSvn: svns(6, 2, 3) }, 'NotSupported', []],
    ['module version 0 rated by the platform', { teeTcbSvn: svns(5, 0, 3) }, 'UpToDate', []],
    ['module version 0 that is old', { teeTcbSvn: svns(4, 0, 3) }, 'OutOfDate', ['P']],
    ['an old quoting enclave', { qeIsvSvn: 6 }, 'OutOfDate', ['Q']],
    ['a quoting enclave below every level', { qeIsvSvn: 4 }, 'NotSupported', []],
    [
      'all parts old',
      { components: sixteen(2), teeTcbSvn: svns(4, 1, 2), qeIsvSvn: 5 },
      'OutOfDate',
      ['M', 'P', 'Q'],
    ],
  ];

  it.each(cases)('with %s', (_, tcb, status, advisories) => {
    const rating = rate(tcb);
    expect(rating.status).toBe(status);
    expect(rating.advisories).toEqual(advisories);
  });

  it('compares the module SVN in the module identity, not in the platform level', () => {
    const levels = { platform: [platform(5, [9, 0, 3], 'UpToDate')] };
    expect(rate({}, levels).status).toBe('UpToDate');
    expect(rate({ teeTcbSvn: svns(6, 0, 3) }, levels).status).toBe('NotSupported');
  });
});

describe('the relaunch rule of TDX 1.5', () => {
  const old = { teeTcbSvn: svns(4, 1, 3) };

  it('advises a relaunch when only the launch was on an old module', () => {
    expect(rate({ ...old, teeTcbSvn2: svns(6, 1, 3) }).status).toBe('TDRelaunchAdvised');
  });

  it('says when configuration is needed as well', () => {
    const levels = { platform: [platform(5, [5, 0, 3], 'ConfigurationNeeded')] };
    const rating = rate({ ...old, teeTcbSvn2: svns(6, 1, 3) }, levels);
    expect(rating.status).toBe('TDRelaunchAdvisedConfigurationNeeded');
  });

  const unmoved: readonly (readonly [string, Partial<Tcb>])[] = [
    ['the running module is old too', { teeTcbSvn2: svns(5, 1, 3) }],
    ['the running loader is old', { teeTcbSvn2: svns(6, 1, 2) }],
    ['the running module has no identity', { teeTcbSvn2: svns(6, 2, 3) }],
    ['there is no running module in the quote', { teeTcbSvn2: undefined }],
    ['the quoting enclave is old', { teeTcbSvn2: svns(6, 1, 3), qeIsvSvn: 5 }],
    ['the platform is old', { teeTcbSvn2: svns(6, 1, 3), components: sixteen(4) }],
  ];

  it.each(unmoved)('does not apply when %s', (_, tcb) => {
    expect(rate({ ...old, ...tcb }).status).toBe('OutOfDate');
  });
});

describe('merging ratings', () => {
  it.each([
    ['UpToDate', 'UpToDate', 'UpToDate'],
    ['UpToDate', 'OutOfDate', 'OutOfDate'],
    ['SWHardeningNeeded', 'OutOfDate', 'OutOfDate'],
    ['ConfigurationNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
    ['ConfigurationAndSWHardeningNeeded', 'OutOfDate', 'OutOfDateConfigurationNeeded'],
    ['NotSupported', 'OutOfDate', 'NotSupported'],
    ['UpToDate', 'NotSupported', 'NotSupported'],
    ['NotSupported', 'Revoked', 'Revoked'],
    ['Revoked', 'UpToDate', 'Revoked'],
    ['Revoked', 'NotSupported', 'Revoked'],
  ] as const)('%s with %s is %s', (status, part, merged) => {
    expect(mergeTcbStatus(status, part)).toBe(merged);
  });
});
