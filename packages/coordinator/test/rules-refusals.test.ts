/**
 * Machines that are not as they should be, before a replica that knows a manifest: the check that
 * is about the defect refuses, as a workload and as a replica, and says what to do. The integration
 * test `hardware.test.ts` shows some of them in whole guests.
 */
import { describe, expect, it } from 'vitest';
import { toHex } from '@witan/core';
import { configIdOf } from '@witan/tee-sim';
import type { CoordinatorInitdata } from '../src/initdata.ts';
import {
  OLD_TCB,
  OTHER_PROGRAM,
  digestOf,
  initdataWith,
  judge,
  manifestWith,
  rulesOf,
  selfOf,
  snp,
  snpValues,
  tdx,
  tdxValues,
  useHardware,
  type Provider,
} from './support/rules.ts';

useHardware('rules-refusals-hierarchy');

const MA = new Uint8Array(32).fill(1);

type MakeGuest = (initdata: CoordinatorInitdata) => Provider;

/** A snp report, and a td quote, with one defect. */
const s =
  (change: Parameters<typeof snp>[1]): MakeGuest =>
  (initdata) =>
    snp(initdata, change);
const t =
  (change: Parameters<typeof tdx>[1]): MakeGuest =>
  (initdata) =>
    tdx(initdata, change);

/** Each with the check that refuses it and what an operator is told to do. */
const BAD_MACHINES: readonly (readonly [string, MakeGuest, string, RegExp])[] = [
  ['snp, old TCB', s({ overrides: { tcb: OLD_TCB } }), 'SNP_TCB_BELOW_MINIMUM', /firmware/],
  ['snp, debugging', s({ overrides: { policy: 0xb0000n } }), 'SNP_POLICY_DEBUG', /forbids DEBUG/],
  ['snp, migration', s({ overrides: { policy: 0x70000n } }), 'SNP_POLICY_MIGRATION', /MIGRATE_MA/],
  [
    'snp, agent',
    s({ overrides: { reportIdMigrationAgent: MA } }),
    'SNP_MIGRATION_AGENT',
    /without/,
  ],
  ['snp, VMPL 2', s({ overrides: { vmpl: 2 } }), 'SNP_VMPL', /level/],
  ['snp, old list', s({ collateral: { expired: ['crl'] } }), 'SNP_CRL_VALIDITY', /revocation list/],
  ['snp, old VCEK', s({ collateral: { expired: ['vcek'] } }), 'SNP_VEK_VALIDITY', /AMD KDS/],
  [
    'snp, revoked CA',
    s({ collateral: { intermediateRevoked: true } }),
    'SNP_CA_REVOKED',
    /hardware/,
  ],
  ['snp, other program', s({ measurement: OTHER_PROGRAM }), 'SNP_MEASUREMENT', /./],
  ['tdx, old TCB', t({ collateral: { tcbStatus: 'OutOfDate' } }), 'TDX_TCB_STATUS', /firmware/],
  ['tdx, old loader', t({ overrides: { pceSvn: 5 } }), 'TDX_TCB_STATUS', /firmware/],
  ['tdx, debugging', t({ overrides: { tdAttributes: 0x1000_0001n } }), 'TDX_DEBUG', /DEBUG/],
  ['tdx, migration', t({ overrides: { tdAttributes: 0x3000_0000n } }), 'TDX_ATTRIBUTES', /./],
  ['tdx, old info', t({ collateral: { expired: ['tcbInfo'] } }), 'TDX_TCB_INFO_VALIDITY', /./],
  ['tdx, old list', t({ collateral: { expired: ['pckCrl'] } }), 'TDX_CRL_VALIDITY', /current/],
  ['tdx, revoked PCK', t({ collateral: { revoked: ['pck'] } }), 'TDX_PCK_REVOKED', /hardware/],
  ['tdx, no TCB info', t({ collateral: { absent: ['tcbInfo'] } }), 'TDX_COLLATERAL', /fetch/],
  ['tdx, other program', (initdata) => tdx(initdata, {}, OTHER_PROGRAM), 'TDX_RTMR', /./],
  ['snp, other configuration', () => snp(initdataWith([tdxValues()])), 'SNP_HOST_DATA', /launch/],
  ['tdx, other configuration', () => tdx(initdataWith([tdxValues()])), 'TDX_CONFIG_ID', /launch/],
];

describe.each(['workload', 'replica'] as const)('under a manifest a %s', (role) => {
  async function setUp(): Promise<{
    readonly initdata: CoordinatorInitdata;
    readonly rules: ReturnType<typeof rulesOf>;
  }> {
    const initdata = initdataWith();
    const digest = digestOf(initdata);
    const both = [
      { ...snpValues(), hostData: toHex(digest) },
      { ...tdxValues(), mrConfigId: toHex(configIdOf(digest)) },
    ];
    const manifest = manifestWith(both, { orders: both });
    return { initdata, rules: rulesOf(await selfOf(snp(initdata), initdata), initdata, manifest) };
  }

  it('on a healthy machine of either kind is accepted', async () => {
    const { initdata, rules } = await setUp();
    expect(await judge(rules, snp(initdata), role)).toMatchObject({ ok: true });
    expect(await judge(rules, tdx(initdata), role)).toMatchObject({ ok: true });
  });

  it.each(BAD_MACHINES)('is refused: %s', async (_name, guest, code, nextStep) => {
    const { initdata, rules } = await setUp();
    const verdict = await judge(rules, guest(initdata), role);
    expect(verdict.ok ? 'accepted' : verdict.code).toContain(code);
    const detail = verdict.ok ? '' : verdict.detail;
    const [, step = ''] = /Next: (.*)/.exec(detail) ?? [];
    expect(step).toMatch(nextStep);
    // `TDX_COLLATERAL_MISSING` has nothing to compare; every other check says what it found.
    if (code !== 'TDX_COLLATERAL') expect(detail).toMatch(/expected .*found /);
  });
});
