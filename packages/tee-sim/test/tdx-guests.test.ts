/** TDX guests, and SEV-SNP guests of another product line, as real processes of one daemon. */
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeEvidence, type Evidence, type TdxVerdict } from '@witan/attestation';
import { fromBase64, fromHex, toHex } from '@witan/core';
import {
  configIdOf,
  connectTeeSim,
  type GuestStatus,
  type HardwarePlan,
  type ProgramSpec,
  type TeeSimClient,
} from '../src/index.ts';
import { verify } from './support/crypto.ts';
import { startDaemon, type Started } from './support/daemon.ts';
import { freshDirectory, simDirectory } from './support/hierarchy.ts';
import { verifyQuote } from './support/tdx.ts';

const FIXTURE = 'packages/tee-sim/test/fixtures/report.ts';
const PACKAGES = ['tee-sim', 'core', 'attester', 'attestation'];
const program: ProgramSpec = {
  name: 'report',
  entry: FIXTURE,
  files: [FIXTURE, ...PACKAGES.map((name) => `packages/${name}/src`)],
};
const initdata = new TextEncoder().encode('policy = "strict"');
const configDigest = new Uint8Array(createHash('sha256').update(initdata).digest());

let daemon: Started;
let sim: TeeSimClient;
beforeAll(async () => {
  const directory = simDirectory();
  // The keys of another product line, which the daemon would otherwise make when asked for it.
  const turin = join(simDirectory('Turin'), 'hierarchy.json');
  copyFileSync(turin, join(directory, 'hierarchy-turin.json'));
  daemon = await startDaemon(directory);
  sim = await connectTeeSim(directory);
}, 60_000);
afterAll(async () => {
  await sim.shutdown();
  await daemon.ended;
});

interface Collected {
  readonly status: GuestStatus;
  readonly evidence: Evidence;
  readonly localConfigId: string;
  readonly reportData: Uint8Array;
}

async function collect(plan: HardwarePlan): Promise<Collected> {
  const reportData = new Uint8Array(randomBytes(64));
  const directory = freshDirectory();
  const [stdoutPath, stderrPath] = [join(directory, 'stdout'), join(directory, 'stderr')];
  const args = [toHex(reportData)];
  const launch = { program, initdata, args, stdoutPath, stderrPath };
  const status = await sim.launch({ ...launch, ...plan });
  const { exitCode } = await sim.wait(status.guestId);
  expect(readFileSync(stderrPath, 'utf8')).toBe('');
  expect(exitCode).toBe(0);
  const printed = JSON.parse(readFileSync(stdoutPath, 'utf8')) as Record<string, string>;
  return {
    status,
    evidence: decodeEvidence(fromBase64(printed['evidence'] ?? '')),
    localConfigId: printed['localConfigId'] ?? '',
    reportData,
  };
}

async function verdictOn({ evidence, reportData }: Collected): Promise<TdxVerdict> {
  if (evidence.kind !== 'tdx') throw new Error('the guest runs on TDX');
  const { mrTd, rtmrs } = await sim.measureTdx(program);
  const { tdxRootFingerprint } = await sim.info();
  return verifyQuote(evidence, {
    mrTd: fromHex(mrTd),
    rtmrs: rtmrs.map(fromHex),
    mrConfigId: configIdOf(configDigest),
    developmentRoots: [tdxRootFingerprint],
    reportData,
  });
}

describe('a program launched as a TDX guest', () => {
  it.each([4, 5])('gets a quote of version %i that passes the verifier (I11)', async (version) => {
    const collected = await collect({ tee: 'tdx', overrides: { version } });
    expect(await verdictOn(collected)).toMatchObject({
      ok: true,
      claims: { simulated: true, quoteVersion: version },
    });
    expect(collected.localConfigId).toBe(toHex(configIdOf(configDigest)));
    const { mrTd, rtmrs } = await sim.measureTdx(program);
    expect(collected.status).toMatchObject({
      tee: 'tdx',
      measurement: mrTd,
      rtmrs,
      hostData: toHex(configIdOf(configDigest)),
    });
  });

  it('carries what a host may choose, and collateral that is not in order', async () => {
    const debug = await collect({ tee: 'tdx', overrides: { tdAttributes: 0x1000_0001n } });
    expect(await verdictOn(debug)).toMatchObject({ ok: false, code: 'TDX_DEBUG' });
    const revoked = await collect({ tee: 'tdx', collateral: { revoked: ['pck'] } });
    expect(await verdictOn(revoked)).toMatchObject({ ok: false, code: 'TDX_PCK_REVOKED' });
  });

  it('has no local register on an older kernel', async () => {
    const collected = await collect({ tee: 'tdx', withoutLocalMeasurements: true });
    expect(collected.localConfigId).toBe('');
    expect((await verdictOn(collected)).ok).toBe(true);
  });

  it('cannot be given a forged register by a daemon that does not allow it', async () => {
    const overrides = { rtmr2: new Uint8Array(48) };
    await expect(sim.launch({ program, initdata, tee: 'tdx', overrides })).rejects.toMatchObject({
      code: 'TEESIM_OVERRIDE_REFUSED',
    });
  });

  it.each([
    ['another TEE', { tee: 'sgx' }],
    ['a product of AMD', { tee: 'tdx', product: 'Genoa' }],
    ['a register that is too short', { tee: 'tdx', overrides: { mrOwner: new Uint8Array(32) } }],
    ['an unknown rating', { tee: 'tdx', collateral: { tcbStatus: 'Fine' } }],
    ['an unknown part', { tee: 'tdx', collateral: { expired: ['everything'] } }],
    ['a list in the place of TCB info', { tee: 'tdx', collateral: { tcbInfo: [] } }],
    ['an unknown product', { product: 'Rome' }],
  ])('is refused with %s', async (_name, plan) => {
    const launch = { program, initdata, ...plan } as unknown as Parameters<typeof sim.launch>[0];
    await expect(sim.launch(launch)).rejects.toMatchObject({ code: 'TEESIM_REQUEST_MALFORMED' });
  });
});

describe('a program launched on another product line', () => {
  it('has a root of its own, which must be listed as well (I11)', async () => {
    const { evidence, status, reportData } = await collect({ product: 'Turin' });
    if (evidence.kind !== 'snp') throw new Error('the guest runs on SEV-SNP');
    const [primary, turin] = [await sim.info(), await sim.info('Turin')];
    expect(turin.rootFingerprint).not.toBe(primary.rootFingerprint);
    const judge = (developmentRoots: readonly string[]) =>
      verify(evidence, {
        reportData,
        measurement: status.measurement,
        hostData: status.hostData,
        product: 'Turin',
        minimumTcb: turin.tcb,
        developmentRoots,
      });
    expect(judge([turin.rootFingerprint])).toMatchObject({
      ok: true,
      claims: { product: 'Turin' },
    });
    expect(judge([primary.rootFingerprint])).toMatchObject({ ok: false });
  });

  it('carries endorsements that are not in order', async () => {
    const codes: string[] = [];
    for (const collateral of [
      { expired: ['vcek'] },
      { expired: ['crl'] },
      { intermediateRevoked: true },
      { absent: ['crl'] },
    ] as const) {
      const { evidence, status, reportData } = await collect({ collateral });
      if (evidence.kind !== 'snp') throw new Error('the guest runs on SEV-SNP');
      const { product, tcb, rootFingerprint } = await sim.info();
      const verdict = verify(evidence, {
        reportData,
        measurement: status.measurement,
        hostData: status.hostData,
        product,
        minimumTcb: tcb,
        developmentRoots: [rootFingerprint],
      });
      codes.push(verdict.ok ? 'ok' : verdict.code);
    }
    expect(codes).toEqual([
      'SNP_VEK_VALIDITY',
      'SNP_CRL_VALIDITY',
      'SNP_CA_REVOKED',
      'SNP_CRL_MISSING',
    ]);
  });
});
