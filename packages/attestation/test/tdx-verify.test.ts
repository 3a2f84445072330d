/** One cause at a time: what a TDX verifier refuses, with which code, and what it still accepts. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex } from '@witan/core';
import {
  endEntity,
  extension,
  pckExtension,
  pemOf,
  sequence,
  TDX_NOW_MS,
} from '../testing/index.ts';
import { other48, zeros, svn, tcbInfo, rated, chainOf } from './support/tdx-changes.ts';
import { judgeTdxScene, tdxOutcome, type TdxChanges } from './support/tdx-scene.ts';
import { CHAIN_REFUSALS } from './support/tdx-refusals-chain.ts';
import { COLLATERAL_REFUSALS } from './support/tdx-refusals-collateral.ts';
import { POLICY_REFUSALS } from './support/tdx-refusals-policy.ts';

const DAY_MS = 24 * 3600 * 1000;
const refused = [...CHAIN_REFUSALS, ...COLLATERAL_REFUSALS, ...POLICY_REFUSALS];

describe('a quote is refused with its own code when', () => {
  it.each(refused)('%s: %s (I10)', (code, _, changes) => {
    const verdict = judgeTdxScene(changes);
    expect(tdxOutcome(verdict)).toBe(code);
    if (verdict.ok) return;
    expect(verdict.established).not.toContain(code);
    expect(verdict.checks.filter(({ passed }) => !passed)[0]?.code).toBe(code);
  });

  it('every code of the verifier stands in the table above', () => {
    const documented = Object.keys(
      JSON.parse(readFileSync(new URL('../errors.json', import.meta.url), 'utf8')) as object,
    ).filter((code) => code.startsWith('TDX_'));
    expect([...new Set(refused.map(([code]) => code))].toSorted()).toEqual(documented.toSorted());
  });
});

describe('a healthy quote is accepted', () => {
  const accepted: readonly (readonly [string, TdxChanges])[] = [
    ['of version 5 and TDX 1.5', {}],
    ['of version 5 and TDX 1.0', { report: zeros, quote: () => ({ version: 5 }) }],
    ['of version 4', { report: zeros }],
    ['with a module of version 0, compared from index 0', { report: { teeTcbSvn: svn(5, 0, 3) } }],
    ['without authentication data', { quote: () => ({ authenticationData: new Uint8Array() }) }],
    [
      'with long authentication data',
      { quote: () => ({ authenticationData: new Uint8Array(999) }) },
    ],
    ['with its chain in reverse', chainOf('root', 'authority', 'pck')],
    ['with its chain in disorder', chainOf('authority', 'root', 'pck')],
    [
      'with a NUL behind its chain',
      {
        quote: ({ certificates: { pck, authority: ca, root } }) => ({
          pckChain: concatBytes(pemOf(pck, ca, root), Uint8Array.of(0)),
        }),
      },
    ],
    [
      'with zeros up to 8000 bytes',
      {
        bytes: (quote) => concatBytes(quote, new Uint8Array(8000 - quote.byteLength)),
      },
    ],
    [
      'under the Processor CA',
      {
        hierarchy: {
          certificates: {
            authority: { subject: 'Intel SGX PCK Processor CA' },
            pck: { issuer: 'Intel SGX PCK Processor CA' },
          },
          pckCrl: { issuer: 'Intel SGX PCK Processor CA' },
        },
      },
    ],
    ['whose TCB info writes the FMSPC in lower case', tcbInfo({ fmspc: '00806f050000' })],
    [
      'whose QE has the attribute that the mask leaves free',
      {
        enclave: { attributes: fromHex('15000000000000000000000000000000') },
      },
    ],
    ['with attributes that are known and harmless', { report: { tdAttributes: 0x5001_0000n } }],
    [
      'whose PCK says nothing of its configuration',
      {
        hierarchy: {
          certificates: { pck: { extensions: [...endEntity(), withoutConfiguration()] } },
        },
      },
    ],
    ['with a register unchecked', { reference: { rtmr3: 'any' } }],
    [
      'on a platform without SMT, where that is demanded',
      {
        hierarchy: { platform: { smtEnabled: false, dynamicPlatform: false } },
        reference: { smt: false, dynamicPlatform: false, cachedKeys: false },
      },
    ],
  ];

  it.each(accepted)('%s', (_, changes) => {
    const verdict = judgeTdxScene(changes);
    expect(tdxOutcome(verdict)).toBe('accepted');
    expect(verdict.checks.every(({ passed }) => passed)).toBe(true);
  });

  const permitted: readonly (readonly [string, TdxChanges])[] = [
    ['debugging', { report: { tdAttributes: 0x1000_0001n }, reference: { debug: true } }],
    ['a clear SEPT_VE_DISABLE', { report: { tdAttributes: 0n }, reference: { septVeClear: true } }],
    ['migration', { report: { tdAttributes: 0x3000_0000n }, reference: { migratable: true } }],
    [
      'PERFMON',
      { report: { tdAttributes: (1n << 63n) | 0x1000_0000n }, reference: { perfmon: true } },
    ],
    [
      'a service TD',
      { report: { mrServiceTd: other48 }, reference: { mrServiceTd: ['77'.repeat(48)] } },
    ],
    [
      'a rating with a named advisory',
      {
        ...rated('ConfigurationNeeded', { advisoryIDs: ['INTEL-SA-1'] }),
        reference: { tcbStatuses: ['ConfigurationNeeded'], advisoriesTolerated: ['INTEL-SA-1'] },
      },
    ],
    [
      'being out of date within the grace period',
      {
        ...rated('OutOfDate'),
        reference: { tcbStatuses: ['OutOfDate'], outOfDateGraceDays: 475 },
      },
    ],
    [
      'relaunch advised, for a TD that outlived a module update',
      {
        report: { teeTcbSvn: svn(3, 1, 3), teeTcbSvn2: svn(6, 1, 3) },
        reference: {
          tcbStatuses: ['TDRelaunchAdvised'],
          advisoriesTolerated: ['INTEL-SA-01036'],
        },
      },
    ],
  ];

  it.each(permitted)('with a permission: %s', (_, changes) => {
    expect(tdxOutcome(judgeTdxScene(changes))).toBe('accepted');
    expect(tdxOutcome(judgeTdxScene({ ...changes, reference: {} }))).not.toBe('accepted');
  });

  it('until the first of its parts ends', () => {
    const verdict = judgeTdxScene();
    expect(verdict.ok && verdict.validUntil).toBe(TDX_NOW_MS + 30 * DAY_MS);
  });
});

/** The SGX extension of platforms of one package: no instance id, no configuration. */
function withoutConfiguration(): Uint8Array {
  const whole = pckExtension({
    fmspc: '00806f050000',
    pceId: '0000',
    components: [7, 7, 2, 2, 3, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0],
    pceSvn: 11,
    platformInstanceId: '',
    dynamicPlatform: true,
    cachedKeys: false,
    smtEnabled: true,
  });
  // extension = SEQUENCE { OID, OCTET STRING { SEQUENCE { pairs } } }: the pairs up to the type.
  const text = Buffer.from(whole).toString('hex');
  const oidOfSix = '060a2a864886f84d010d0106';
  const start = text.indexOf('30', text.indexOf('060a2a864886f84d010d0101') - 4);
  const pairs = text.slice(start, text.indexOf(oidOfSix) - 4);
  return extension('1.2.840.113741.1.13.1', sequence(new Uint8Array(Buffer.from(pairs, 'hex'))));
}
