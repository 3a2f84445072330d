/** Guests of both kinds, and the rules of a replica that judges them, without any process. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { encodeEvidence, parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import { toHex, utf8, type Clock, type Crypto } from '@witan/core';
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
import { Rules, type PeerClaims } from '../../src/evidence/rules.ts';
import {
  collectSelfEvidence,
  type CoordinatorTee,
  type SelfEvidence,
} from '../../src/evidence/self.ts';
import { parseInitdata, type CoordinatorInitdata } from '../../src/initdata.ts';

/** Measurement of the program that every rule here expects. */
export const PROGRAM = new Uint8Array(48).fill(0xc0);
/** Measurement of another program. */
export const OTHER_PROGRAM = new Uint8Array(48).fill(0xc1);
const TCB = { bootloader: 10, tee: 0, snp: 23, microcode: 84 };
/** A TCB below what the reference values ask for. */
export const OLD_TCB = { ...TCB, microcode: 1 };
let hierarchy: Hierarchy;
let tdxRoot: TdxRoot;

/** Makes the development hardware of one test file; `name` keeps the files apart. */
export function useHardware(name: string): void {
  const directory = mkdtempSync(join(tmpdir(), 'witan-rules-'));
  beforeAll(() => {
    const cache = join(import.meta.dirname, '../../../../node_modules/.cache/witan', name);
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    hierarchy = loadOrCreateHierarchy(cache, 'Genoa');
    tdxRoot = loadOrCreateTdxRoot(directory);
  }, 60_000);
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });
}

/** Measured configuration of a Coordinator. */
export function initdataWith(peers: readonly unknown[] = []): CoordinatorInitdata {
  const document = {
    apiVersion: 'witan.dev/v1',
    kind: 'Coordinator',
    slots: ['witan-0'],
    developmentRoots: [hierarchy.rootFingerprint, tdxRoot.rootFingerprint],
    peers,
  };
  return parseInitdata(utf8(JSON.stringify(document)));
}

/** SHA-256 of a configuration, as it is measured. */
export const digestOf = (initdata: CoordinatorInitdata): Uint8Array =>
  new Uint8Array(createHash('sha256').update(initdata.bytes).digest());

/** A guest's evidence, in the order of a Coordinator's. */
export type Provider = EvidenceProvider<CoordinatorTee>;

/** Evidence of a SEV-SNP guest with this configuration. */
export function snp(initdata: CoordinatorInitdata, change: Partial<InProcessGuest> = {}): Provider {
  const hostData = digestOf(initdata);
  return inProcessEvidenceProvider(hierarchy, { measurement: PROGRAM, hostData, ...change });
}

/** Evidence of a TDX guest with this configuration. */
export function tdx(
  initdata: CoordinatorInitdata,
  change: Partial<InProcessTdxGuest> = {},
  program: Uint8Array = PROGRAM,
): Provider {
  const mrConfigId = configIdOf(digestOf(initdata));
  return inProcessTdxProvider(tdxRoot, { ...tdMeasurements(program, 1), mrConfigId, ...change });
}

/** Reference values of such SEV-SNP guests. */
export const snpValues = (): Readonly<Record<string, unknown>> => ({
  tee: 'snp',
  measurement: [toHex(PROGRAM)],
  products: ['Genoa'],
  minimumTcb: TCB,
  developmentRoots: [hierarchy.rootFingerprint],
});

/** Reference values of such TDX guests. */
export function tdxValues(program: Uint8Array = PROGRAM): Readonly<Record<string, unknown>> {
  const { mrTd, rtmrs } = tdMeasurements(program, 1);
  return {
    tee: 'tdx',
    mrTd: [toHex(mrTd)],
    ...(Object.fromEntries(rtmrs.map((rtmr, at) => [`rtmr${at}`, [toHex(rtmr)]])) as object),
    developmentRoots: [tdxRoot.rootFingerprint],
  };
}

/** What a replica learns of itself when it starts. */
export async function selfOf(
  provider: Provider,
  initdata: CoordinatorInitdata,
  clock: Clock = systemClock,
): Promise<SelfEvidence> {
  const crypto = nodeCrypto;
  return await collectSelfEvidence({ provider, initdata, profile: 'development', crypto, clock });
}

/** Rules of a replica, with the manifest that it knows. */
export function rulesOf(
  self: SelfEvidence,
  initdata: CoordinatorInitdata,
  manifest?: ValidatedManifest<ReferenceValues>,
  crypto: Crypto = nodeCrypto,
): Rules {
  return new Rules({
    self,
    listed: initdata.peers,
    manifest: () => manifest,
    generation: () => (manifest === undefined ? 0 : 1),
    profile: 'development',
    crypto,
    clock: systemClock,
  });
}

const reportData = new Uint8Array(64).fill(5);

/** What these rules make of a guest. */
export async function judge(
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

/** By which rule a guest was accepted, or the code that refused it. */
export function ruleOf(verdict: Verification<PeerClaims>): string {
  if (!verdict.ok) return verdict.code;
  return verdict.claims.kind === 'replica' ? verdict.claims.rule : 'workload';
}

/** A manifest that lists these Coordinators and workloads. */
export function manifestWith(
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
