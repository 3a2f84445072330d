/**
 * Appraisal: evidence against a list of reference values, of which any one may fit.
 */
import type { Crypto, ErrorFields, UnixMillis } from '@witan/core';
import type { Check, Claims, Finding } from './claims.ts';
import { AttestationError, type AttestationErrorCode } from './errors.ts';
import type { Evidence } from './evidence.ts';
import type { ReferenceValues } from './reference-values.ts';
import type { RevocationMode } from './snp/options.ts';

/** Everything beside evidence and reference values on which a verdict depends. */
export interface AppraisalContext {
  readonly now: UnixMillis;
  readonly crypto: Crypto;
  /** The 64 bytes that the evidence must carry. */
  readonly expectedReportData: Uint8Array;
  readonly revocation: RevocationMode;
  /**
   * `as-listed`: a development root is accepted by those reference values that list it.
   * `refused`: never, whatever is listed (production build). Invariant I11.
   */
  readonly developmentRoots: 'as-listed' | 'refused';
}

/** Why one entry refused the evidence. */
export interface Refusal {
  /** Position in the list of reference values. */
  readonly entryIndex: number;
  readonly code: AttestationErrorCode;
  readonly detail: ErrorFields;
  readonly checks: readonly Check[];
}

export type AppraisalResult =
  | {
      readonly kind: 'accepted';
      /** Position of the first entry that fits. */
      readonly entryIndex: number;
      readonly claims: Claims;
      readonly checks: readonly Check[];
      readonly findings: readonly Finding[];
      readonly validUntil: UnixMillis;
    }
  | {
      readonly kind: 'refused';
      /** The code of the entry that came closest, or APPRAISAL_NO_REFERENCE_VALUES. */
      readonly code: AttestationErrorCode;
      readonly refusals: readonly Refusal[];
    };

/**
 * Judges evidence against each entry in turn; the first that fits accepts it.
 *
 * Never throws for anything in the evidence or the reference values.
 */
export function appraise(
  _evidence: Evidence,
  _referenceValues: readonly ReferenceValues[],
  _context: AppraisalContext,
): AppraisalResult {
  throw new AttestationError('APPRAISAL_NO_REFERENCE_VALUES');
}
