/**
 * What this replica's own evidence says of itself, and the rule for peers that follows from it:
 * before the first manifest a peer must be built and configured exactly like this replica.
 */
import {
  AMD_ROOTS,
  appraise,
  configDigestFor,
  describeRefusal,
  establishSnp,
  establishTdx,
  INTEL_ROOTS,
  readConfigDigestUnverified,
  type AppraisalContext,
  type Claims,
  type Evidence,
  type ReferenceValues,
} from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import { bytesEqual, toHex, type Clock, type Crypto } from '@witan/core';
import { standaloneReportData } from '@witan/transport';
import { CoordinatorError } from '../errors.ts';
import type { CoordinatorInitdata } from '../initdata.ts';
import type { EventLog } from '../log.ts';
import { similarValues } from './similar.ts';

const SELF_LABEL = 'witan/v1/coordinator-self';

/** Kinds of evidence that a Coordinator may run on. */
export type CoordinatorTee = 'snp' | 'tdx';

/** Own evidence as it was verified at start, and the way to fresh evidence. */
export interface SelfEvidence {
  readonly claims: Claims;
  /** Reference values that fit this replica and its twins. */
  readonly selfSimilar: readonly ReferenceValues[];
  /**
   * Whether the hardware itself confirmed the configuration. False for TDX on a kernel before 6.16:
   * then a host could have handed out the quote of another guest.
   */
  readonly configurationConfirmed: boolean;
  /** Fresh evidence about this replica; its endorsements may have been renewed since the start. */
  readonly collect: () => Promise<{ readonly evidence: Evidence; readonly reportData: Uint8Array }>;
}

export interface SelfEvidenceOptions {
  readonly provider: EvidenceProvider<CoordinatorTee>;
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
  const collect = async (): Promise<{ evidence: Evidence; reportData: Uint8Array }> => {
    const evidence: Evidence = await provider.collect(reportData);
    return { evidence, reportData };
  };
  const { evidence } = await collect();
  const expected = configDigestFor(evidence.kind, measured);
  demandMeasured(readConfigDigestUnverified(evidence), expected);
  const local = await provider.localConfigId?.();
  if (local !== undefined) demandMeasured(local, expected);
  return {
    ...verifySelf(options, evidence, reportData),
    configurationConfirmed: evidence.kind === 'snp' || local !== undefined,
    collect,
  };
}

/** @param found what the hardware says was measured at launch */
function demandMeasured(found: Uint8Array, expected: Uint8Array): void {
  if (bytesEqual(found, expected)) return;
  const message =
    'the configuration in use is not the one that was measured at launch; ' +
    'launch the guest with this initdata';
  const fields = { expected: toHex(expected), found: toHex(found) };
  throw new CoordinatorError('COORDINATOR_INITDATA_NOT_MEASURED', message, { fields });
}

/** Learns the claims of own evidence, and judges it by the rule that is made from them. */
function verifySelf(
  options: SelfEvidenceOptions,
  evidence: Evidence,
  reportData: Uint8Array,
): Pick<SelfEvidence, 'claims' | 'selfSimilar'> {
  const { initdata, profile, crypto, clock } = options;
  const developmentRoots = profile === 'development' ? initdata.developmentRoots : [];
  const context: AppraisalContext = {
    now: clock.now(),
    crypto,
    expectedReportData: reportData,
    revocation: 'required',
    developmentRoots: profile === 'development' ? 'as-listed' : 'refused',
  };
  const selfSimilar = similarValues(
    learnClaims(evidence, context, developmentRoots),
    developmentRoots,
  );
  const result = appraise(evidence, [selfSimilar], context);
  if (result.kind === 'refused') throw unusable(result.code, describeRefusal(result));
  return { claims: result.claims, selfSimilar: [selfSimilar] };
}

/** Claims of genuine evidence, which no reference values have judged yet. */
function learnClaims(
  evidence: Evidence,
  { now, crypto, revocation }: AppraisalContext,
  development: readonly string[],
): Claims {
  const established =
    evidence.kind === 'snp'
      ? establishSnp(evidence.report, evidence.endorsements, {
          now,
          crypto,
          revocation,
          roots: { production: AMD_ROOTS, development },
        })
      : establishTdx(evidence.quote, evidence.endorsements, {
          now,
          crypto,
          roots: { production: INTEL_ROOTS, development },
        });
  if (established.kind === 'genuine') return established.genuine.claims;
  const { code, detail, checks } = established.verdict;
  const refusals = [{ entryIndex: 0, code, detail, checks }];
  throw unusable(code, describeRefusal({ kind: 'refused', code, refusals }));
}

function unusable(code: string, detail: string): CoordinatorError {
  const message = 'own evidence is not acceptable; no peer would accept it either';
  return new CoordinatorError('COORDINATOR_EVIDENCE_UNUSABLE', message, {
    fields: { code, detail },
  });
}

/** Says at start what the hardware vouches for. */
export function logSelf(
  log: Pick<EventLog, 'info' | 'warn'>,
  { claims, configurationConfirmed }: SelfEvidence,
): void {
  const { tee, tcbStatus, measurements, simulated } = claims;
  const measurement = measurements[0]?.value ?? '';
  log.info('own evidence verified', { tee, tcbStatus, measurement, simulated });
  if (configurationConfirmed) return;
  // Which kernel runs is measured, so the owner decides whether this can happen.
  log.warn('configuration not confirmed by the hardware', { expected: 'Linux 6.16 or newer' });
}
