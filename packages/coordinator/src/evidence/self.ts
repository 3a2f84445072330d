/**
 * What this replica's own evidence says of itself, and the rule for peers that follows from it:
 * before the first manifest a peer must be built and configured exactly like this replica.
 */
import {
  appraise,
  parseSnpReferenceValues,
  parseSnpReport,
  SNP_PRODUCTS,
  type Claims,
  type Evidence,
  type ReferenceValues,
  type SnpClaims,
  type SnpEvidence,
} from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import { bytesEqual, toHex, type Clock, type Crypto } from '@witan/core';
import { standaloneReportData } from '@witan/transport';
import { CoordinatorError } from '../errors.ts';
import type { CoordinatorInitdata } from '../initdata.ts';

const SELF_LABEL = 'witan/v1/coordinator-self';
const NO_TCB = { bootloader: 0, tee: 0, snp: 0, microcode: 0 };

export interface SelfEvidence {
  readonly evidence: Evidence;
  readonly reportData: Uint8Array;
  readonly claims: Claims;
  /** Reference values that fit this replica and its twins. */
  readonly selfSimilar: readonly ReferenceValues[];
}

export interface SelfEvidenceOptions {
  readonly provider: EvidenceProvider;
  readonly initdata: CoordinatorInitdata;
  readonly profile: 'production' | 'development';
  readonly crypto: Crypto;
  readonly clock: Clock;
}

/**
 * Collects and verifies own evidence, and checks that it measures the configuration in use.
 *
 * @throws AttesterError where there is no TEE; CoordinatorError COORDINATOR_EVIDENCE_UNUSABLE,
 *   COORDINATOR_INITDATA_NOT_MEASURED
 */
export async function collectSelfEvidence(options: SelfEvidenceOptions): Promise<SelfEvidence> {
  const { provider, initdata, crypto } = options;
  const measured = crypto.hash('sha256', initdata.bytes);
  const reportData = standaloneReportData(SELF_LABEL, measured);
  const evidence: SnpEvidence = await provider.collect(reportData);
  const report = parseSnpReport(evidence.report);
  if (!bytesEqual(report.hostData, measured)) {
    const message = 'the configuration in use is not the one that was measured at launch';
    const fields = { expected: toHex(report.hostData), found: toHex(measured) };
    throw new CoordinatorError('COORDINATOR_INITDATA_NOT_MEASURED', message, { fields });
  }
  return verifySelf(options, evidence, reportData);
}

/** Appraises own evidence twice: first to learn its claims, then under the rule made from them. */
function verifySelf(
  options: SelfEvidenceOptions,
  evidence: SnpEvidence,
  reportData: Uint8Array,
): SelfEvidence {
  const { initdata, profile, crypto, clock } = options;
  const report = parseSnpReport(evidence.report);
  const common = {
    tee: 'snp',
    measurement: [toHex(report.measurement)],
    hostData: toHex(report.hostData),
    ...(profile === 'development' && initdata.developmentRoots.length > 0
      ? { developmentRoots: initdata.developmentRoots }
      : {}),
  };
  const context = {
    now: clock.now(),
    crypto,
    expectedReportData: reportData,
    revocation: 'required',
    developmentRoots: profile === 'development' ? 'as-listed' : 'refused',
  } as const;
  const judge = (
    products: readonly string[],
    minimumTcb: unknown,
  ): [ReferenceValues, SnpClaims] => {
    const values = parseSnpReferenceValues({ ...common, products, minimumTcb }, 'self');
    const result = appraise(evidence, [values], context);
    if (result.kind === 'refused') {
      throw unusable(result.code, JSON.stringify(result.refusals[0]?.detail ?? {}));
    }
    if (result.claims.tee !== 'snp') throw unusable('EVIDENCE_KIND_UNSUPPORTED', 'other claims');
    return [values, result.claims];
  };
  const [, { product, reportedTcb }] = judge(SNP_PRODUCTS, NO_TCB);
  const [selfSimilar, claims] = judge([product], reportedTcb);
  return { evidence, reportData, claims, selfSimilar: [selfSimilar] };
}

function unusable(code: string, detail: string): CoordinatorError {
  const message = 'own evidence is not acceptable; no peer would accept it either';
  return new CoordinatorError('COORDINATOR_EVIDENCE_UNUSABLE', message, {
    fields: { code, detail },
  });
}
