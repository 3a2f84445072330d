/**
 * Appraisal of Azure evidence against a list of reference values, of which any one may fit.
 */
import type { Crypto, UnixMillis } from '@witan/core';
import { anyOf, otherTee, type AnyReferenceValues, type AppraisalResult } from '../appraise.ts';
import type { Verdict } from '../claims.ts';
import type { RevocationMode } from '../snp/options.ts';
import { AMD_ROOTS } from '../snp/roots.ts';
import { INTEL_ROOTS } from '../tdx/options.ts';
import type { AzureEvidence } from './evidence.ts';
import type { AzureExpectation } from './policy.ts';
import {
  concludeSnpAzure,
  concludeTdxAzure,
  establishSnpAzure,
  establishTdxAzure,
  type EstablishedAzSnp,
  type EstablishedAzTdx,
  type RefusedAzure,
} from './verify.ts';

/** Everything beside evidence and reference values on which a verdict depends. */
export interface AzureAppraisalContext {
  readonly now: UnixMillis;
  readonly crypto: Crypto;
  readonly expected: AzureExpectation;
  readonly revocation: RevocationMode;
  /** SHA-256 of development roots that this process considers at all, hex (I11). */
  readonly developmentRoots: readonly string[];
}

/** Decides whether evidence of either kind is genuine. Never throws. */
export function establishAzure(
  evidence: AzureEvidence,
  context: Omit<AzureAppraisalContext, 'expected'>,
): EstablishedAzSnp | EstablishedAzTdx | RefusedAzure {
  const { now, crypto, revocation, developmentRoots: development } = context;
  if (evidence.kind === 'az-snp') {
    const roots = { production: AMD_ROOTS, development };
    return establishSnpAzure(evidence, { now, crypto, revocation, roots });
  }
  const roots = { production: INTEL_ROOTS, development };
  return establishTdxAzure(evidence, { now, crypto, roots });
}

/**
 * Judges evidence against each entry in turn; the first that fits accepts it. Entries for hardware
 * without a paravisor never fit: their measurement would be the paravisor's alone.
 *
 * Never throws for anything in the evidence or the reference values.
 */
export function appraiseAzure(
  evidence: AzureEvidence,
  referenceValues: readonly AnyReferenceValues[],
  context: AzureAppraisalContext,
): AppraisalResult {
  if (referenceValues.length === 0) {
    return { kind: 'refused', code: 'APPRAISAL_NO_REFERENCE_VALUES', refusals: [] };
  }
  const established = establishAzure(evidence, context);
  const { expected, crypto } = context;
  return anyOf(referenceValues, (entry): Verdict => {
    if (entry.tee !== evidence.kind) return otherTee(evidence.kind, entry.tee);
    if (established.kind === 'refused') return established.verdict;
    if (established.tee === 'az-snp' && entry.tee === 'az-snp') {
      return concludeSnpAzure(established, entry, expected, crypto);
    }
    if (established.tee === 'az-tdx' && entry.tee === 'az-tdx') {
      return concludeTdxAzure(established, entry, expected, crypto);
    }
    return otherTee(established.tee, entry.tee);
  });
}
