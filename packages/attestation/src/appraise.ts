/**
 * Appraisal: evidence against a list of reference values, of which any one may fit.
 */
import type { Crypto, ErrorFields, UnixMillis } from '@witan/core';
import type { Check, Claims, Finding, RefusedVerdict, Verdict } from './claims.ts';
import type { AttestationErrorCode } from './errors.ts';
import type { Evidence } from './evidence.ts';
import type { AzureReferenceValues } from './azure/reference-values.ts';
import type { ReferenceValues } from './reference-values.ts';
import type { RevocationMode } from './snp/options.ts';
import type { SnpChainCache } from './snp/chain-cache.ts';
import { AMD_ROOTS } from './snp/roots.ts';
import { concludeSnp, establishSnp, type EstablishedSnp } from './snp/verify.ts';
import { INTEL_ROOTS } from './tdx/options.ts';
import { concludeTdx, establishTdx, type EstablishedTdx } from './tdx/verify.ts';

/** Reference values of every kind, as one list may hold them. */
export type AnyReferenceValues = ReferenceValues | AzureReferenceValues;

/** Everything beside evidence and reference values on which a verdict depends. */
export interface AppraisalContext {
  readonly now: UnixMillis;
  readonly crypto: Crypto;
  /** The 64 bytes that the evidence must carry. */
  readonly expectedReportData: Uint8Array;
  readonly revocation: RevocationMode;
  /** Chains of SEV-SNP whose signatures were checked before. */
  readonly snpChainCache?: SnpChainCache;
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

/** The verdict of an appraisal, with every check that was made. */
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
  referenceValues: readonly AnyReferenceValues[],
  context: AppraisalContext,
): AppraisalResult {
  if (referenceValues.length === 0) {
    return { kind: 'refused', code: 'APPRAISAL_NO_REFERENCE_VALUES', refusals: [] };
  }
  const established = establish(evidence, referenceValues, context);
  return anyOf(referenceValues, (entry) => judge(evidence, established, entry, context));
}

/** Judges against each of at least one entry in turn: the first that fits accepts. */
export function anyOf<Entry>(
  entries: readonly Entry[],
  judgeOne: (entry: Entry) => Verdict,
): AppraisalResult {
  const refusals: Refusal[] = [];
  for (const [entryIndex, entry] of entries.entries()) {
    const verdict = judgeOne(entry);
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
  referenceValues: readonly AnyReferenceValues[],
  { now, crypto, revocation, developmentRoots, snpChainCache }: AppraisalContext,
): EstablishedSnp | EstablishedTdx | RefusedVerdict<never> {
  const listed = referenceValues
    .filter(({ tee }) => tee === evidence.kind)
    .flatMap((entry) => ('hardware' in entry ? [] : (entry.developmentRoots ?? [])));
  const development = developmentRoots === 'as-listed' ? listed : [];
  const established =
    evidence.kind === 'snp'
      ? establishSnp(evidence.report, evidence.endorsements, {
          now,
          crypto,
          revocation,
          ...(snpChainCache === undefined ? {} : { chainCache: snpChainCache }),
          roots: { production: AMD_ROOTS, development },
        })
      : establishTdx(evidence.quote, evidence.endorsements, {
          now,
          crypto,
          roots: { production: INTEL_ROOTS, development },
        });
  return established.kind === 'refused' ? established.verdict : established;
}

function judge(
  evidence: Evidence,
  established: EstablishedSnp | EstablishedTdx | RefusedVerdict<never>,
  entry: AnyReferenceValues,
  { expectedReportData }: AppraisalContext,
): Verdict {
  if (entry.tee !== evidence.kind) return otherTee(evidence.kind, entry.tee);
  if (!('kind' in established)) return established;
  if (established.tee === 'snp' && entry.tee === 'snp') {
    return concludeSnp(established, entry, expectedReportData);
  }
  if (established.tee === 'tdx' && entry.tee === 'tdx') {
    return concludeTdx(established, entry, expectedReportData);
  }
  return otherTee(established.tee, entry.tee);
}

/** The verdict on evidence of one kind against an entry of another. */
export function otherTee(found: string, expected: string): RefusedVerdict<never> {
  const code = 'APPRAISAL_TEE_MISMATCH';
  const checks: readonly Check[] = [{ code, passed: false, expected, found }];
  return { ok: false, code, detail: { expected, found }, established: [], checks };
}

/** The code of the refusal with the fewest failed checks; entries of another TEE come last. */
function closestOf(refusals: readonly Refusal[]): AttestationErrorCode {
  const isOfTee = ({ code }: Refusal): boolean => code !== 'APPRAISAL_TEE_MISMATCH';
  const failures = (refusal: Refusal): number =>
    isOfTee(refusal) ? refusal.checks.filter(({ passed }) => !passed).length : Infinity;
  const closest = refusals.toSorted((left, right) => failures(left) - failures(right))[0];
  return closest?.code ?? 'APPRAISAL_NO_REFERENCE_VALUES';
}
