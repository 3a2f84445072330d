/** Reports of the simulated hardware before the real verifier. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseSnpReport, SNP_PRODUCTS, type SnpProduct } from '@witan/attestation';
import { toHex } from '@witan/core';
import { PLATFORMS } from '../src/hardware/products.ts';
import { inProcessEvidenceProvider, type InProcessGuest } from '../src/index.ts';
import { verify, type Expectations } from './support/crypto.ts';
import { hierarchyOf } from './support/hierarchy.ts';

const measurement = new Uint8Array(48).fill(0xa1);
const hostData = new Uint8Array(32).fill(0xb2);
const reportData = new Uint8Array(randomBytes(64));

async function verdictOn(
  product: SnpProduct,
  guest: Partial<InProcessGuest> = {},
  expectations: Partial<Expectations> = {},
): Promise<ReturnType<typeof verify>> {
  const hierarchy = hierarchyOf(product);
  const provider = inProcessEvidenceProvider(hierarchy, { measurement, hostData, ...guest });
  return verify(await provider.collect(reportData), {
    reportData,
    measurement: toHex(measurement),
    hostData: toHex(hostData),
    product,
    minimumTcb: PLATFORMS[product].tcb,
    developmentRoots: [hierarchy.rootFingerprint],
    ...expectations,
  });
}

const codeOf = (verdict: ReturnType<typeof verify>): string => (verdict.ok ? 'ok' : verdict.code);

describe('evidence of simulated hardware', () => {
  it.each(SNP_PRODUCTS)(
    'of %s passes the whole verifier and is marked simulated (I11)',
    async (p) => {
      const verdict = await verdictOn(p, {}, { more: { mitigationMask: '0xb' } });
      expect(verdict).toMatchObject({ ok: true, claims: { simulated: true, product: p } });
    },
  );

  it.each(SNP_PRODUCTS)('of %s is refused where no manifest lists its root (I11)', async (p) => {
    expect(codeOf(await verdictOn(p, {}, { developmentRoots: [] }))).toBe('SNP_ROOT_UNTRUSTED');
  });

  it('is refused where the manifest lists the root of another directory (I11)', async () => {
    const other = hierarchyOf('Milan').rootFingerprint;
    expect(codeOf(await verdictOn('Genoa', {}, { developmentRoots: [other] }))).toBe(
      'SNP_ROOT_UNTRUSTED',
    );
  });

  it.each([2, 3, 4, 5])('has the form of report version %i', async (version) => {
    const verdict = await verdictOn('Genoa', { overrides: { version } });
    expect(verdict).toMatchObject({ ok: true, claims: { reportVersion: version } });
  });

  it('carries what a host may choose', async () => {
    const chipId = new Uint8Array(64).fill(7);
    const overrides = { chipId, guestSvn: 3, platformInfo: 0x7n, policy: 0x3001fn };
    const verdict = await verdictOn('Milan', { overrides }, { more: { chipIds: [toHex(chipId)] } });
    expect(verdict).toMatchObject({
      ok: true,
      claims: {
        guestSvn: 3,
        guestPolicy: '0x000000000003001f',
        platformInfo: '0x0000000000000007',
      },
    });
  });

  it('shows a debuggable guest and an old TCB, which the verifier then refuses', async () => {
    const debug = await verdictOn('Genoa', { overrides: { policy: 0xb0000n } });
    expect(codeOf(debug)).toBe('SNP_POLICY_DEBUG');
    const tcb = { bootloader: 1, tee: 0, snp: 1, microcode: 1 };
    expect(codeOf(await verdictOn('Genoa', { overrides: { tcb } }))).toBe('SNP_TCB_BELOW_MINIMUM');
    expect((await verdictOn('Genoa', { overrides: { tcb } }, { minimumTcb: tcb })).ok).toBe(true);
  });

  it('has one chip id for each chip and another signing key for each TCB', async () => {
    const hierarchy = hierarchyOf('Turin');
    const collect = async (guest: Partial<InProcessGuest>): Promise<string> => {
      const provider = inProcessEvidenceProvider(hierarchy, { measurement, hostData, ...guest });
      const { report } = await provider.collect(reportData);
      return toHex(parseSnpReport(report).chipId);
    };
    const [first, again, second] = [
      await collect({ chip: 'a' }),
      await collect({ chip: 'a' }),
      await collect({ chip: 'b' }),
    ];
    expect(first).toBe(again);
    expect(first).not.toBe(second);
    // Turin: eight bytes, then zeros.
    expect(first.slice(16)).toBe('00'.repeat(56));
    expect(first.slice(0, 16)).not.toBe('00'.repeat(8));
  });

  it('has one REPORT_ID for each launch and another for each guest', async () => {
    const hierarchy = hierarchyOf('Genoa');
    const launch = (): ReturnType<typeof inProcessEvidenceProvider> =>
      inProcessEvidenceProvider(hierarchy, { measurement, hostData });
    const idOf = async (provider: ReturnType<typeof launch>): Promise<string> =>
      toHex(parseSnpReport((await provider.collect(new Uint8Array(64))).report).reportId);
    const one = launch();
    expect(await idOf(one)).toBe(await idOf(one));
    expect(await idOf(one)).not.toBe(await idOf(launch()));
  });

  it('comes fast enough for clusters under test', async () => {
    const provider = inProcessEvidenceProvider(hierarchyOf('Genoa'), { measurement, hostData });
    await provider.collect(reportData);
    const startMs = performance.now();
    for (let i = 0; i < 100; i += 1) await provider.collect(reportData);
    const perSecond = 100_000 / (performance.now() - startMs);
    // About 1000 on an idle core; the bound leaves room for a busy machine.
    expect(perSecond).toBeGreaterThan(100);
  });
});
