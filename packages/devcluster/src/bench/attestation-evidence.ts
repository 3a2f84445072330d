/**
 * Evidence to measure verifiers with: a SEV-SNP report of a simulated chip and a TDX quote, each
 * with all its endorsements, in the sizes that real ones have. Keys are made anew each time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AMD_ROOTS,
  INTEL_ROOTS,
  parseSnpReferenceValues,
  parseTdxQuote,
  parseTdxReferenceValues,
  verifySnp,
  verifyTdx,
  type SnpChainCache,
  type TdxEndorsements,
} from '@witan/attestation';
import { createTdxHierarchy, healthyTdReport, TDX_NOW_MS } from '@witan/attestation/testing';
import { toHex, unixMillis, type UnixMillis } from '@witan/core';
import { nodeCrypto, systemClock } from '@witan/keys';
import { inProcessEvidenceProvider, loadOrCreateHierarchy } from '@witan/tee-sim';

/** One way to verify: throws unless the evidence is accepted. */
export interface Workload {
  readonly name: string;
  readonly run: () => void;
}

const REPORT_DATA: Uint8Array = new Uint8Array(64).fill(0xda);

/** Verifies one report of Milan with its chain and revocation list. */
export async function snpWorkload(chainCache?: SnpChainCache): Promise<Workload> {
  const directory = mkdtempSync(join(tmpdir(), 'witan-bench-'));
  try {
    const hierarchy = loadOrCreateHierarchy(directory, 'Milan');
    const measurement = new Uint8Array(48).fill(0x3e);
    const hostData = new Uint8Array(32).fill(0x40);
    const provider = inProcessEvidenceProvider(hierarchy, { measurement, hostData });
    const evidence = await provider.collect(REPORT_DATA);
    if (evidence.kind !== 'snp') throw new Error('the simulated chip gives other evidence');
    const development = [toHex(nodeCrypto.hash('sha256', hierarchy.rootCertificate))];
    const referenceValues = parseSnpReferenceValues(
      {
        tee: 'snp',
        measurement: [toHex(measurement)],
        hostData: toHex(hostData),
        products: ['Milan'],
        minimumTcb: { bootloader: 0, tee: 0, snp: 0, microcode: 0 },
        developmentRoots: development,
      },
      'bench',
    );
    const { report, endorsements } = evidence;
    const options = {
      now: systemClock.now(),
      crypto: nodeCrypto,
      roots: { production: AMD_ROOTS, development },
      revocation: 'required',
      expectedReportData: REPORT_DATA,
      referenceValues,
      ...(chainCache === undefined ? {} : { chainCache }),
    } as const;
    return {
      name: 'snp',
      run: () => demandAccepted(verifySnp({ report, endorsements, options })),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A quote of version 5 with its collateral. */
export interface QuoteToVerify extends Workload {
  readonly quote: Uint8Array;
  readonly endorsements: TdxEndorsements;
  /** Root certificate, DER. */
  readonly root: Uint8Array;
  readonly now: UnixMillis;
}

/** Verifies one quote with its whole collateral; nothing is remembered. */
export function tdxWorkload(): QuoteToVerify {
  // As many revoked certificates as Intel lists, and as many levels as a platform family has.
  const revoked = Array.from({ length: 44 }, (_, at) => 1_000_000 + at);
  const hierarchy = createTdxHierarchy({ pckCrl: { revoked } });
  const quote = hierarchy.quote(healthyTdReport({ reportData: REPORT_DATA }));
  const { body } = parseTdxQuote(quote);
  const development = [hierarchy.fingerprint];
  const referenceValues = parseTdxReferenceValues(
    {
      tee: 'tdx',
      mrTd: [toHex(body.mrTd)],
      ...Object.fromEntries(body.rtmrs.map((rtmr, at) => [`rtmr${at}`, [toHex(rtmr)]])),
      mrConfigId: toHex(body.mrConfigId),
      developmentRoots: development,
    },
    'bench',
  );
  const now = unixMillis(TDX_NOW_MS);
  const { endorsements, certificates } = hierarchy;
  const options = {
    now,
    crypto: nodeCrypto,
    roots: { production: INTEL_ROOTS, development },
    expectedReportData: REPORT_DATA,
    referenceValues,
  } as const;
  return {
    name: 'tdx',
    quote,
    endorsements,
    root: certificates.root,
    now,
    run: () => demandAccepted(verifyTdx({ quote, endorsements, options })),
  };
}

function demandAccepted(verdict: { readonly ok: boolean }): void {
  if (!verdict.ok) throw new Error(`refused: ${JSON.stringify(verdict)}`);
}
