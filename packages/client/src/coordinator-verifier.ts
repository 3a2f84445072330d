/** Judges a Coordinator's evidence for the attested channel, and again by the manifest in force. */
import {
  AttestationError,
  appraise,
  decodeEvidence,
  describeRefusal,
  type AppraisalResult,
  type Claims,
  type Evidence,
  type ReferenceValues,
  type SnpChainCache,
} from '@witan/attestation';
import type { EndorsementSource } from '@witan/attester';
import { describeError, type Clock, type Crypto } from '@witan/core';
import type {
  AttestedPeer,
  ChannelVerifier,
  Verification,
  VerificationRequest,
} from '@witan/transport';
import { ClientError } from './errors.ts';

/** Beside evidence and reference values, what a verdict depends on. */
export interface AppraisalSettings {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly developmentRoots: 'as-listed' | 'refused';
  readonly endorsements: EndorsementSource | undefined;
  /** So that a chain is verified once, however often its evidence is judged. */
  readonly snpChainCache: SnpChainCache;
}

/** What a Coordinator's evidence said, and which entry it fits. */
export interface CoordinatorClaims {
  readonly claims: Claims;
  /** Position in the list of reference values. */
  readonly entryIndex: number;
}

/** The channel's verifier for these reference values. */
export function coordinatorVerifier(
  coordinators: readonly ReferenceValues[],
  settings: AppraisalSettings,
): ChannelVerifier<CoordinatorClaims> {
  return {
    evidenceTypes: ['snp', 'tdx'],
    verify: (request) => verdictOn(request, coordinators, settings),
  };
}

async function verdictOn(
  request: VerificationRequest,
  coordinators: readonly ReferenceValues[],
  settings: AppraisalSettings,
): Promise<Verification<CoordinatorClaims>> {
  try {
    const evidence = await complete(request.evidence, settings);
    const result = judge(evidence, coordinators, request.expectedReportData, settings);
    if (result.kind === 'refused') {
      return { ok: false, code: result.code, detail: describeRefusal(result) };
    }
    const { claims, entryIndex, validUntil } = result;
    return { ok: true, claims: { claims, entryIndex }, validUntilMs: validUntil };
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    return { ok: false, code: error.code, detail: describeError(error) };
  }
}

/**
 * Judges an established peer by other reference values: those of the manifest that it serves.
 *
 * @throws ClientError CLIENT_COORDINATOR_UNLISTED
 */
export async function checkListed(
  peer: AttestedPeer<CoordinatorClaims>,
  coordinators: readonly ReferenceValues[],
  settings: AppraisalSettings,
): Promise<void> {
  const { evidence, expectedReportData } = peer;
  if (evidence === undefined || expectedReportData === undefined) {
    throw new ClientError('CLIENT_COORDINATOR_UNLISTED', { found: 'no evidence' });
  }
  const known = await complete(evidence, settings);
  const result = judge(known, coordinators, expectedReportData, settings);
  if (result.kind === 'accepted') return;
  const fields = { check: result.code, detail: describeRefusal(result) };
  throw new ClientError('CLIENT_COORDINATOR_UNLISTED', fields);
}

/** Evidence with the endorsements that did not travel with it. @throws AttestationError */
async function complete(bytes: Uint8Array, settings: AppraisalSettings): Promise<Evidence> {
  const received = decodeEvidence(bytes);
  return (await settings.endorsements?.complete(received)) ?? received;
}

function judge(
  evidence: Evidence,
  coordinators: readonly ReferenceValues[],
  expectedReportData: Uint8Array,
  { clock, crypto, developmentRoots, snpChainCache }: AppraisalSettings,
): AppraisalResult {
  return appraise(evidence, coordinators, {
    now: clock.now(),
    crypto,
    expectedReportData,
    // A list that is held back must not help anybody.
    revocation: 'required',
    developmentRoots,
    snpChainCache,
  });
}
