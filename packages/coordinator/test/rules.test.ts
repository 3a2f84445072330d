/**
 * Own evidence and the rules for peers, of either TEE: what founds together, what is let in, and
 * what is refused, with the reason that an operator reads.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeEvidence, parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import { toHex, utf8, type Clock } from '@witan/core';
import { nodeCrypto, systemClock } from '@witan/keys';
import { parseManifest, type ValidatedManifest } from '@witan/manifest';
import {
  configIdOf,
  inProcessEvidenceProvider,
  inProcessTdxProvider,
  loadOrCreateHierarchy,
  loadOrCreateTdxRoot,
  tdMeasurements,
  type Hierarchy,
  type InProcessGuest,
  type InProcessTdxGuest,
  type TdxRoot,
} from '@witan/tee-sim';
import type { Verification } from '@witan/transport';
import { Rules, type PeerClaims } from '../src/evidence/rules.ts';
import {
  collectSelfEvidence,
  type CoordinatorTee,
  type SelfEvidence,
} from '../src/evidence/self.ts';
import { parseInitdata, type CoordinatorInitdata } from '../src/initdata.ts';

const PROGRAM = new Uint8Array(48).fill(0xc0);
const OTHER_PROGRAM = new Uint8Array(48).fill(0xc1);
const TCB = { bootloader: 10, tee: 0, snp: 23, microcode: 84 };
const OLD_TCB = { ...TCB, microcode: 1 };
const directory = mkdtempSync(join(tmpdir(), 'witan-rules-'));
let hierarchy: Hierarchy;
let tdxRoot: TdxRoot;

beforeAll(() => {
  const cache = join(import.meta.dirname, '../../../node_modules/.cache/witan/rules-hierarchy');
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  hierarchy = loadOrCreateHierarchy(cache, 'Genoa');
  tdxRoot = loadOrCreateTdxRoot(directory);
}, 60_000);

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function initdataWith(peers: readonly unknown[] = []): CoordinatorInitdata {
  const document = {
    apiVersion: 'witan.dev/v1',
    kind: 'Coordinator',
    slots: ['witan-0'],
    developmentRoots: [hierarchy.rootFingerprint, tdxRoot.rootFingerprint],
    peers,
  };
  return parseInitdata(utf8(JSON.stringify(document)));
}

const digestOf = (initdata: CoordinatorInitdata): Uint8Array =>
  new Uint8Array(createHash('sha256').update(initdata.bytes).digest());

type Provider = EvidenceProvider<CoordinatorTee>;

function snp(initdata: CoordinatorInitdata, change: Partial<InProcessGuest> = {}): Provider {
  const hostData = digestOf(initdata);
  return inProcessEvidenceProvider(hierarchy, { measurement: PROGRAM, hostData, ...change });
}

function tdx(
  initdata: CoordinatorInitdata,
  change: Partial<InProcessTdxGuest> = {},
  program: Uint8Array = PROGRAM,
): Provider {
  const mrConfigId = configIdOf(digestOf(initdata));
  return inProcessTdxProvider(tdxRoot, { ...tdMeasurements(program, 1), mrConfigId, ...change });
}

const snpValues = (): Readonly<Record<string, unknown>> => ({
  tee: 'snp',
  measurement: [toHex(PROGRAM)],
  products: ['Genoa'],
  minimumTcb: TCB,
  developmentRoots: [hierarchy.rootFingerprint],
});

function tdxValues(program: Uint8Array = PROGRAM): Readonly<Record<string, unknown>> {
  const { mrTd, rtmrs } = tdMeasurements(program, 1);
  return {
    tee: 'tdx',
    mrTd: [toHex(mrTd)],
    ...(Object.fromEntries(rtmrs.map((rtmr, at) => [`rtmr${at}`, [toHex(rtmr)]])) as object),
    developmentRoots: [tdxRoot.rootFingerprint],
  };
}

async function selfOf(
  provider: Provider,
  initdata: CoordinatorInitdata,
  clock: Clock = systemClock,
): Promise<SelfEvidence> {
  const crypto = nodeCrypto;
  return await collectSelfEvidence({ provider, initdata, profile: 'development', crypto, clock });
}

function rulesOf(
  self: SelfEvidence,
  initdata: CoordinatorInitdata,
  manifest?: ValidatedManifest<ReferenceValues>,
): Rules {
  return new Rules({
    self,
    listed: initdata.peers,
    manifest: () => manifest,
    generation: () => (manifest === undefined ? 0 : 1),
    profile: 'development',
    crypto: nodeCrypto,
    clock: systemClock,
  });
}

const reportData = new Uint8Array(64).fill(5);

async function judge(
  rules: Rules,
  peer: Provider,
  role: 'replica' | 'workload' = 'replica',
): Promise<Verification<PeerClaims>> {
  const verifier = role === 'replica' ? rules.replicaVerifier() : rules.workloadVerifier();
  const evidence = encodeEvidence(await peer.collect(reportData));
  return await verifier.verify({
    evidence,
    expectedReportData: reportData,
  } as Parameters<typeof verifier.verify>[0]);
}

function ruleOf(verdict: Verification<PeerClaims>): string {
  if (!verdict.ok) return verdict.code;
  return verdict.claims.kind === 'replica' ? verdict.claims.rule : 'workload';
}

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
  function manifestWith(
    coordinators: readonly object[],
    workloads: Readonly<Record<string, readonly object[]>>,
  ): ValidatedManifest<ReferenceValues> {
    const entries = Object.entries(workloads).map(([name, referenceValues]) => [
      name,
      {
        referenceValues,
        dnsNames: [name],
        ipAddresses: [],
        secrets: [],
        certificateLifetimeSeconds: 3600,
      },
    ]);
    const document = {
      apiVersion: 'witan.dev/v1',
      coordinators,
      workloads: Object.fromEntries(entries) as object,
      owners: [],
      allowNoUpdates: true,
    };
    return parseManifest(utf8(JSON.stringify(document)), {
      parseReferenceValues,
      crypto: nodeCrypto,
    });
  }

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
