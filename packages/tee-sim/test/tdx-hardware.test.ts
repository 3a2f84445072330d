/** Quotes and collateral of the simulated hardware before the real verifier. */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TdxVerdict } from '@witan/attestation';
import { fromHex, toHex } from '@witan/core';
import { tdMeasurements } from '../src/hardware/guest-hardware.ts';
import {
  configIdOf,
  inProcessTdxProvider,
  loadOrCreateTdxRoot,
  type InProcessTdxGuest,
  type TdxCollateralPlan,
  type TdxOverrides,
} from '../src/index.ts';
import { freshDirectory } from './support/hierarchy.ts';
import { verifyQuote, type TdxExpectations } from './support/tdx.ts';

const root = loadOrCreateTdxRoot(freshDirectory());
const mrConfigId = configIdOf(new Uint8Array(32).fill(0xb2));
const measured = tdMeasurements(new Uint8Array(48).fill(0xa1), 1);
const reportData = new Uint8Array(randomBytes(64));
const filled = (byteLength: number, value: number): Uint8Array =>
  new Uint8Array(byteLength).fill(value);

async function verdictOn(
  guest: Partial<InProcessTdxGuest> = {},
  expectations: Partial<TdxExpectations> = {},
): Promise<TdxVerdict> {
  const provider = inProcessTdxProvider(root, { ...measured, mrConfigId, ...guest });
  return verifyQuote(await provider.collect(reportData), {
    ...measured,
    reportData,
    mrConfigId,
    developmentRoots: [root.rootFingerprint],
    ...expectations,
  });
}

const codeOf = (verdict: TdxVerdict): string => (verdict.ok ? 'ok' : verdict.code);

describe('evidence of simulated TDX hardware', () => {
  it.each([4, 5])(
    'passes the whole verifier as quote version %i and is marked simulated (I11)',
    async (version) => {
      const verdict = await verdictOn({ overrides: { version } });
      expect(verdict).toMatchObject({
        ok: true,
        claims: { simulated: true, quoteVersion: version, tcbStatus: 'UpToDate', advisories: [] },
      });
    },
  );

  it('is refused where no manifest lists its root, or lists another (I11)', async () => {
    expect(codeOf(await verdictOn({}, { developmentRoots: [] }))).toBe('TDX_ROOT_UNTRUSTED');
    const other = loadOrCreateTdxRoot(freshDirectory()).rootFingerprint;
    expect(codeOf(await verdictOn({}, { developmentRoots: [other] }))).toBe('TDX_ROOT_UNTRUSTED');
  });

  it('has one platform instance id and one key for each platform', async () => {
    const idOf = async (chip: string): Promise<string | undefined> => {
      const verdict = await verdictOn({ chip });
      return verdict.ok ? verdict.claims.hardwareId : undefined;
    };
    expect(await idOf('a')).toBe(await idOf('a'));
    expect(await idOf('a')).not.toBe(await idOf('b'));
  });

  it('measures firmware, machine, kernel and program into different registers', () => {
    const other = tdMeasurements(new Uint8Array(48).fill(0xa2), 2);
    const before = measured.rtmrs.map(toHex);
    const same = other.rtmrs.map((rtmr, index) => toHex(rtmr) === before[index]);
    expect(toHex(other.mrTd)).toBe(toHex(measured.mrTd));
    expect(same).toEqual([false, true, false, true]);
  });
});

const MIGRATABLE = 0x3000_0000n;

describe('every field can be chosen for a guest', () => {
  const hex = (value: Uint8Array): string => toHex(value);
  it.each<[string, TdxOverrides, object]>([
    ['quote version', { version: 5 }, { quoteVersion: 5 }],
    ['mrSeam', { mrSeam: filled(48, 3) }, { mrSeam: hex(filled(48, 3)) }],
    ['xfam', { xfam: 0x61ae7n }, { xfam: '0x0000000000061ae7' }],
    ['fmspc', { fmspc: fromHex('90c06f000000') }, { fmspc: '90c06f000000' }],
    ['pceId', { pceId: fromHex('0100') }, { pceId: '0100' }],
    [
      'platform instance id',
      { platformInstanceId: filled(16, 4) },
      { hardwareId: hex(filled(16, 4)) },
    ],
    ['dynamic platform', { dynamicPlatform: false }, { dynamicPlatform: false }],
    ['cached keys', { cachedKeys: true }, { cachedKeys: true }],
    ['SMT', { smtEnabled: false }, { smtEnabled: false }],
    ['TEE TCB', { teeTcbSvn: filled(16, 9) }, { ok: false }],
  ])('%s', async (_name, overrides, claims) => {
    const verdict = await verdictOn({ overrides });
    if ('ok' in claims) expect(codeOf(verdict)).toBe('TDX_MODULE_IDENTITY');
    else expect(verdict).toMatchObject({ ok: true, claims });
  });

  it.each<[string, TdxOverrides, string]>([
    ['a TD that may be debugged', { tdAttributes: 0x1000_0001n }, 'TDX_DEBUG'],
    ['a TD that may be migrated', { tdAttributes: MIGRATABLE }, 'TDX_ATTRIBUTES'],
    ['reserved attributes', { tdAttributes: 0x1000_0100n }, 'TDX_ATTRIBUTES_RESERVED'],
    ['unknown features', { xfam: 0xffff_ffffn }, 'TDX_XFAM'],
    ['another MRTD', { mrTd: filled(48, 1) }, 'TDX_MRTD'],
    ['another RTMR', { rtmr2: filled(48, 1) }, 'TDX_RTMR'],
    ['another MRCONFIGID', { mrConfigId: filled(48, 1) }, 'TDX_CONFIG_ID'],
    ['another MROWNER', { mrOwner: filled(48, 1) }, 'TDX_OWNER'],
    ['another MROWNERCONFIG', { mrOwnerConfig: filled(48, 1) }, 'TDX_OWNER'],
    ['a service TD', { version: 5, mrServiceTd: filled(48, 1) }, 'TDX_SERVICE_TD'],
    ['a module of somebody else', { mrSignerSeam: filled(48, 1) }, 'TDX_MODULE_SIGNER'],
    ['attributes of the module', { seamAttributes: 1n }, 'TDX_MODULE_ATTRIBUTES'],
    ['old microcode', { components: new Uint8Array(16) }, 'TDX_TCB_STATUS'],
    ['an old provisioning enclave', { pceSvn: 5 }, 'TDX_TCB_STATUS'],
    ['an unlisted provisioning enclave', { pceSvn: 0 }, 'TDX_TCB_NOT_SUPPORTED'],
    ['an old quoting enclave', { qeIsvSvn: 5 }, 'TDX_TCB_STATUS'],
    ['a foreign quoting enclave', { qeMrSigner: filled(32, 1) }, 'TDX_QE_MISMATCH'],
    ['a debug quoting enclave', { qeAttributes: filled(16, 2) }, 'TDX_QE_MISMATCH'],
    ['another product of the signer', { qeIsvProdId: 9 }, 'TDX_QE_MISMATCH'],
    ['other MISCSELECT', { qeMiscSelect: 1 }, 'TDX_QE_MISMATCH'],
    ['an SGX quote', { teeType: 0 }, 'TDX_TEE_TYPE'],
    ['another key type', { keyType: 3 }, 'TDX_KEY_TYPE'],
    ['another vendor', { vendorId: filled(16, 1) }, 'TDX_VENDOR_ID'],
  ])('and the verifier refuses %s', async (_name, overrides, expected) => {
    expect(codeOf(await verdictOn({ overrides }))).toBe(expected);
  });
});

describe('collateral can be chosen for a guest', () => {
  it.each<[string, TdxCollateralPlan, string]>([
    ['an expired TCB info', { expired: ['tcbInfo'] }, 'TDX_TCB_INFO_VALIDITY'],
    ['an expired identity', { expired: ['qeIdentity'] }, 'TDX_QE_IDENTITY_VALIDITY'],
    ['an expired root list', { expired: ['rootCrl'] }, 'TDX_CRL_VALIDITY'],
    ['an expired PCK list', { expired: ['pckCrl'] }, 'TDX_CRL_VALIDITY'],
    ['an expired PCK', { expired: ['pck'] }, 'TDX_PCK_VALIDITY'],
    ['a revoked PCK', { revoked: ['pck'] }, 'TDX_PCK_REVOKED'],
    ['a revoked authority', { revoked: ['authority'] }, 'TDX_CA_REVOKED'],
    ['a revoked TCB signer', { revoked: ['tcbSigner'] }, 'TDX_TCB_SIGNER_REVOKED'],
    ['a missing TCB info', { absent: ['tcbInfo'] }, 'TDX_COLLATERAL_MISSING'],
    ['a missing revocation list', { absent: ['pckCrl'] }, 'TDX_COLLATERAL_MISSING'],
    ['a platform out of date', { tcbStatus: 'OutOfDate' }, 'TDX_TCB_STATUS'],
    ['a platform to be hardened', { tcbStatus: 'SWHardeningNeeded' }, 'TDX_TCB_STATUS'],
    ['a revoked platform', { tcbStatus: 'Revoked' }, 'TDX_TCB_REVOKED'],
    ['a module out of date', { moduleStatus: 'OutOfDate' }, 'TDX_TCB_STATUS'],
    ['a quoting enclave out of date', { qeStatus: 'OutOfDate' }, 'TDX_TCB_STATUS'],
    ['TCB info of another kind', { tcbInfo: { id: 'SGX' } }, 'TDX_TCB_INFO_ID'],
    ['another signer of the enclave', { qeIdentity: { isvprodid: 1 } }, 'TDX_QE_MISMATCH'],
  ])('and the verifier refuses %s', async (_name, collateral, expected) => {
    expect(codeOf(await verdictOn({ collateral }))).toBe(expected);
  });

  it('with advisories that reference values may tolerate', async () => {
    const collateral: TdxCollateralPlan = {
      tcbStatus: 'SWHardeningNeeded',
      advisoryIds: ['INTEL-SA-00001'],
    };
    const tolerant = {
      tcbStatuses: ['UpToDate', 'SWHardeningNeeded'],
      advisoriesTolerated: ['INTEL-SA-00001'],
    };
    expect(await verdictOn({ collateral }, { more: tolerant })).toMatchObject({
      ok: true,
      claims: { tcbStatus: 'SWHardeningNeeded', advisories: ['INTEL-SA-00001'] },
    });
    const strict = { ...tolerant, advisoriesTolerated: [] };
    expect(codeOf(await verdictOn({ collateral }, { more: strict }))).toBe('TDX_ADVISORIES');
  });
});

describe('the TDX hierarchy of a directory', () => {
  it('is made once, private, and stays the same', () => {
    const directory = freshDirectory();
    const made = loadOrCreateTdxRoot(directory);
    const again = loadOrCreateTdxRoot(directory);
    expect(again.rootFingerprint).toBe(made.rootFingerprint);
    expect(again.platformSecret).toEqual(made.platformSecret);
    expect(statSync(join(directory, 'tdx-hierarchy.json')).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['cut', (text: string) => text.slice(0, 100)],
    ['of another version', (text: string) => text.replace('"version": 1', '"version": 2')],
    ['with something more', (text: string) => text.replace('{', '{"more": 1,')],
    ['without its keys', (text: string) => text.replace('BEGIN PRIVATE KEY', 'BEGIN')],
  ])('is refused when it is %s', (_name, damage) => {
    const directory = freshDirectory();
    loadOrCreateTdxRoot(directory);
    const path = join(directory, 'tdx-hierarchy.json');
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    expect(() => loadOrCreateTdxRoot(directory)).toThrow(
      expect.objectContaining({ code: 'TEESIM_STATE_CORRUPT' }),
    );
  });
});
