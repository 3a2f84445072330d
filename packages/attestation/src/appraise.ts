/**
 * Appraisal: evidence against a list of reference values, of which any one may fit.
 */
import type { Crypto, ErrorFields, UnixMillis } from '@witan/core';
import type { Check, Claims, Finding, RefusedVerdict, Verdict } from './claims.ts';
import type { AttestationErrorCode } from './errors.ts';
import type { Evidence } from './evidence.ts';
import type { ReferenceValues } from './reference-values.ts';
import type { RevocationMode } from './snp/options.ts';
import { AMD_ROOTS } from './snp/roots.ts';
import { concludeSnp, establishSnp, type EstablishedSnp } from './snp/verify.ts';

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
  evidence: Evidence,
  referenceValues: readonly ReferenceValues[],
  context: AppraisalContext,
): AppraisalResult {
  if (referenceValues.length === 0) {
    return { kind: 'refused', code: 'APPRAISAL_NO_REFERENCE_VALUES', refusals: [] };
  }
  const established = establish(evidence, referenceValues, context);
  const refusals: Refusal[] = [];
  for (const [entryIndex, entry] of referenceValues.entries()) {
    const verdict = judge(established, entry, context);
    if (verdict.ok) {
      const { claims, checks, findings, validUntil } = verdict;
      return { kind: 'accepted', entryIndex, claims, checks, findings, validUntil };
    }
    const { code, detail, checks } = verdict;
    refusals.push({ entryIndex, code, detail, checks });
  }
  return { kind: 'refused', code: closestOf(refusals), refusals };
}

/** The evidence's own part of the work, done once however many entries there are. */
function establish(
  evidence: Evidence,
  referenceValues: readonly ReferenceValues[],
  context: AppraisalContext,
): EstablishedSnp | RefusedVerdict {
  const listed = referenceValues.flatMap(({ developmentRoots }) => developmentRoots ?? []);
  const established = establishSnp(evidence.report, evidence.endorsements, {
    now: context.now,
    crypto: context.crypto,
    revocation: context.revocation,
    roots: {
      production: AMD_ROOTS,
      development: context.developmentRoots === 'as-listed' ? listed : [],
    },
  });
  return established.kind === 'refused' ? established.verdict : established;
}

function judge(
  established: EstablishedSnp | RefusedVerdict,
  entry: ReferenceValues,
  { expectedReportData }: AppraisalContext,
): Verdict {
  if (!('kind' in established)) return established;
  return concludeSnp(established, entry, expectedReportData);
}

/** The code of the refusal with the fewest failed checks. */
function closestOf(refusals: readonly Refusal[]): AttestationErrorCode {
  const failures = ({ checks }: Refusal): number => checks.filter(({ passed }) => !passed).length;
  const closest = refusals.toSorted((left, right) => failures(left) - failures(right))[0];
  return closest?.code ?? 'APPRAISAL_NO_REFERENCE_VALUES';
}
