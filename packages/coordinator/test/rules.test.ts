/**
 * Own evidence and the rules for peers, of either TEE: what founds together, what is let in, and
 * what is refused, with the reason that an operator reads.
 */
import { describe, expect, it } from 'vitest';
import { toHex, type Crypto } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import { configIdOf } from '@witan/tee-sim';
import type { CoordinatorInitdata } from '../src/initdata.ts';
import {
  OLD_TCB,
  OTHER_PROGRAM,
  PROGRAM,
  digestOf,
  initdataWith,
  judge,
  manifestWith,
  ruleOf,
  rulesOf,
  selfOf,
  snp,
  snpValues,
  tdx,
  tdxValues,
  useHardware,
  type Provider,
} from './support/rules.ts';

useHardware('rules-hierarchy');

describe('before the first manifest', () => {
  it('a twin on the same TEE is like this replica', async () => {
    const initdata = initdataWith();
    const [onSnp, onTdx] = [
      rulesOf(await selfOf(snp(initdata), initdata), initdata),
      rulesOf(await selfOf(tdx(initdata), initdata), initdata),
    ];
    expect(ruleOf(await judge(onSnp, snp(initdata, { chip: 'another' })))).toBe('similar');
    expect(ruleOf(await judge(onTdx, tdx(initdata, { chip: 'another' })))).toBe('similar');
    expect(ruleOf(await judge(onTdx, tdx(initdata, { overrides: { version: 5 } })))).toBe(
      'similar',
    );
  });

  it('another TEE is not, so a founding has one kind of hardware', async () => {
    const initdata = initdataWith();
    const onSnp = rulesOf(await selfOf(snp(initdata), initdata), initdata);
    const verdict = await judge(onSnp, tdx(initdata));
    expect(verdict).toMatchObject({ ok: false, code: 'APPRAISAL_TEE_MISMATCH' });
    expect(verdict.ok ? '' : verdict.detail).toMatch(/expected snp, found tdx\)\. Next: /);
    const onTdx = rulesOf(await selfOf(tdx(initdata), initdata), initdata);
    expect(ruleOf(await judge(onTdx, snp(initdata)))).toBe('APPRAISAL_TEE_MISMATCH');
  });

  it('another TEE that the measured configuration lists is listed, not alike', async () => {
    const initdata = initdataWith([snpValues(), tdxValues()]);
    const onTdx = rulesOf(await selfOf(tdx(initdata), initdata), initdata);
    expect(ruleOf(await judge(onTdx, snp(initdata)))).toBe('listed');
    expect(ruleOf(await judge(onTdx, tdx(initdata)))).toBe('similar');
    // Listed with another configuration: entries without one mean this very one.
    expect(ruleOf(await judge(onTdx, snp(initdataWith())))).toBe('SNP_HOST_DATA');
  });

  it.each<[string, (initdata: CoordinatorInitdata) => Provider, string]>([
    ['other code', (i) => tdx(i, {}, OTHER_PROGRAM), 'TDX_RTMR'],
    ['another configuration', () => tdx(initdataWith([snpValues()])), 'TDX_CONFIG_ID'],
    ['a worse rating', (i) => tdx(i, { collateral: { tcbStatus: 'OutOfDate' } }), 'TDX_TCB_STATUS'],
    ['debugging', (i) => tdx(i, { overrides: { tdAttributes: 0x1000_0001n } }), 'TDX_DEBUG'],
    ['migration', (i) => tdx(i, { overrides: { tdAttributes: 0x3000_0000n } }), 'TDX_ATTRIBUTES'],
    ['another owner', (i) => tdx(i, { overrides: { mrOwner: PROGRAM } }), 'TDX_OWNER'],
    ['another module', (i) => tdx(i, { overrides: { mrSeam: PROGRAM } }), 'TDX_MRSEAM'],
  ])('a TDX peer with %s is refused', async (_name, peer, expected) => {
    const initdata = initdataWith();
    const rules = rulesOf(await selfOf(tdx(initdata), initdata), initdata);
    expect(ruleOf(await judge(rules, peer(initdata)))).toBe(expected);
  });

  it.each<[string, (initdata: CoordinatorInitdata) => Provider, string]>([
    ['other code', (i) => snp(i, { measurement: OTHER_PROGRAM }), 'SNP_MEASUREMENT'],
    ['another configuration', () => snp(initdataWith([snpValues()])), 'SNP_HOST_DATA'],
    ['an older TCB', (i) => snp(i, { overrides: { tcb: OLD_TCB } }), 'SNP_TCB_BELOW_MINIMUM'],
    ['debugging', (i) => snp(i, { overrides: { policy: 0xb0000n } }), 'SNP_POLICY_DEBUG'],
    ['migration', (i) => snp(i, { overrides: { policy: 0x70000n } }), 'SNP_POLICY_MIGRATION'],
    ['another VMPL', (i) => snp(i, { overrides: { vmpl: 2 } }), 'SNP_VMPL'],
  ])('a SEV-SNP peer with %s is refused', async (_name, peer, expected) => {
    const initdata = initdataWith();
    const rules = rulesOf(await selfOf(snp(initdata), initdata), initdata);
    expect(ruleOf(await judge(rules, peer(initdata)))).toBe(expected);
  });

  it('a replica that is out of date takes its like and better, nothing worse', async () => {
    const initdata = initdataWith();
    const old = { collateral: { tcbStatus: 'OutOfDate', advisoryIds: ['INTEL-SA-1'] } } as const;
    const rules = rulesOf(await selfOf(tdx(initdata, old), initdata), initdata);
    expect(ruleOf(await judge(rules, tdx(initdata, old)))).toBe('similar');
    expect(ruleOf(await judge(rules, tdx(initdata)))).toBe('similar');
    const worse = { collateral: { ...old.collateral, advisoryIds: ['INTEL-SA-1', 'INTEL-SA-2'] } };
    expect(ruleOf(await judge(rules, tdx(initdata, worse)))).toBe('TDX_ADVISORIES');
    const other = { collateral: { tcbStatus: 'ConfigurationNeeded' } } as const;
    expect(ruleOf(await judge(rules, tdx(initdata, other)))).toBe('TDX_TCB_STATUS');
  });
});

describe('own evidence', () => {
  it.each<[string, (initdata: CoordinatorInitdata) => Provider, string]>([
    ['debugging', (i) => tdx(i, { overrides: { tdAttributes: 0x1000_0001n } }), 'TDX_DEBUG'],
    ['a revoked PCK', (i) => tdx(i, { collateral: { revoked: ['pck'] } }), 'TDX_PCK_REVOKED'],
    [
      'old collateral',
      (i) => tdx(i, { collateral: { expired: ['tcbInfo'] } }),
      'TCB_INFO_VALIDITY',
    ],
    ['debugging', (i) => snp(i, { overrides: { policy: 0xb0000n } }), 'SNP_POLICY_DEBUG'],
    [
      'a revoked authority',
      (i) => snp(i, { collateral: { intermediateRevoked: true } }),
      'REVOKED',
    ],
    ['an old list', (i) => snp(i, { collateral: { expired: ['crl'] } }), 'SNP_CRL_VALIDITY'],
  ])('is not acceptable with %s, and the reason is said', async (_name, provider, expected) => {
    const initdata = initdataWith();
    const failed = selfOf(provider(initdata), initdata);
    await expect(failed).rejects.toMatchObject({
      code: 'COORDINATOR_EVIDENCE_UNUSABLE',
      fields: { detail: expect.stringMatching(`${expected}.*Next: `) as unknown },
    });
  });

  it('must measure the configuration in use, on either TEE', async () => {
    const [initdata, other] = [initdataWith(), initdataWith([snpValues()])];
    for (const provider of [snp(other), tdx(other)]) {
      await expect(selfOf(provider, initdata)).rejects.toMatchObject({
        code: 'COORDINATOR_INITDATA_NOT_MEASURED',
      });
    }
  });

  it('does not believe a quote of another guest that the host hands out', async () => {
    const [initdata, other] = [initdataWith(), initdataWith([snpValues()])];
    // The host exchanged the configuration and gives a genuine quote that measures the new one.
    const overrides = { mrConfigId: configIdOf(digestOf(initdata)) };
    const exchanged = tdx(other, { overrides });
    await expect(selfOf(exchanged, initdata)).rejects.toMatchObject({
      code: 'COORDINATOR_INITDATA_NOT_MEASURED',
    });
    // A kernel before 6.16 cannot tell, and the replica says that it cannot.
    const older = tdx(other, { overrides, withoutLocalMeasurements: true });
    expect((await selfOf(older, initdata)).configurationConfirmed).toBe(false);
    expect((await selfOf(tdx(initdata), initdata)).configurationConfirmed).toBe(true);
    expect((await selfOf(snp(initdata), initdata)).configurationConfirmed).toBe(true);
  });
});

describe('under a manifest', () => {
  it('replicas and workloads of both kinds are judged by the entry of their own', async () => {
    const initdata = initdataWith();
    const [one, two] = [initdataWith([snpValues()]), initdataWith([tdxValues()])];
    const config = (of: CoordinatorInitdata): { hostData: string; mrConfigId: string } => ({
      hostData: toHex(digestOf(of)),
      mrConfigId: toHex(configIdOf(digestOf(of))),
    });
    const both = (of: CoordinatorInitdata): readonly object[] => [
      { ...snpValues(), hostData: config(of).hostData },
      { ...tdxValues(), mrConfigId: config(of).mrConfigId },
    ];
    const manifest = manifestWith(both(initdata), { one: both(one), two: both(two) });
    const rules = rulesOf(await selfOf(snp(initdata), initdata), initdata, manifest);
    expect(ruleOf(await judge(rules, snp(initdata)))).toBe('manifest');
    expect(ruleOf(await judge(rules, tdx(initdata)))).toBe('manifest');
    expect((await rules.meetsOwn(manifest)).kind).toBe('accepted');
    for (const [workload, of] of Object.entries({ one, two })) {
      for (const guest of [snp(of), tdx(of)]) {
        const verdict = await judge(rules, guest, 'workload');
        expect(verdict).toMatchObject({ ok: true, claims: { workloads: [workload] } });
      }
    }
    const stranger = await judge(rules, tdx(initdata), 'workload');
    expect(stranger).toMatchObject({ ok: false, code: 'TDX_CONFIG_ID' });
  });
});

describe('peers of the measured configuration', () => {
  it.each([
    ['no list', 'peers', {}],
    ['something that is no object', 'peers[0]', [7]],
    ['another TEE', 'peers[0].tee', [{ tee: 'sgx' }]],
    ['an unknown field', 'peers[0].extra', [{ ...tdxValuesLike(), extra: 1 }]],
    ['too many', 'peers', Array.from({ length: 17 }, tdxValuesLike)],
  ])('are refused: %s', (_name, path, peers) => {
    expect(() => initdataWith(peers as readonly unknown[])).toThrow(
      expect.objectContaining({
        code: 'COORDINATOR_INITDATA_INVALID',
        fields: expect.objectContaining({ path }) as unknown,
      }),
    );
  });
});

/** Without the roots, which are not there when the table is read. */
function tdxValuesLike(): object {
  const register = ['00'.repeat(48)];
  const registers = { rtmr0: register, rtmr1: register, rtmr2: 'any', rtmr3: 'any' };
  return { tee: 'tdx', mrTd: register, ...registers };
}

describe('what judging a workload takes', () => {
  it('is one check of P-384 for each report, however many entries it fits (I1)', async () => {
    const counted: Record<string, number> = {};
    const verify: Crypto['verify'] = (check) => {
      counted[check.algorithm] = (counted[check.algorithm] ?? 0) + 1;
      return nodeCrypto.verify(check);
    };
    const initdata = initdataWith();
    const values = { ...snpValues(), hostData: toHex(digestOf(initdata)) };
    const manifest = manifestWith([values], { web: [values], db: [values], cache: [values] });
    const self = await selfOf(snp(initdata), initdata);
    const rules = rulesOf(self, initdata, manifest, { ...nodeCrypto, verify });
    const pod = snp(initdata);
    expect(await judge(rules, pod, 'workload')).toMatchObject({
      ok: true,
      claims: { workloads: ['web', 'db', 'cache'] },
    });
    expect(counted).toEqual({ 'ecdsa-p384-sha384': 1, 'rsa-pss-sha384': 4 });
    // `npm run bench:mesh` counts on this: the chain of a chip is remembered, a report never.
    await judge(rules, pod, 'workload');
    expect(counted).toEqual({ 'ecdsa-p384-sha384': 2, 'rsa-pss-sha384': 4 });
    // Of another chip, its key's certificate alone is new.
    await judge(rules, snp(initdata, { chip: 'another' }), 'workload');
    expect(counted).toEqual({ 'ecdsa-p384-sha384': 3, 'rsa-pss-sha384': 5 });
  });
});
