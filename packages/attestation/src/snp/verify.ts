/**
 * The SEV-SNP verifier: from bytes to a verdict, in the order structure, chain, binding, signature,
 * policy.
 */
import { CheckList } from '../check-list.ts';
import type { RefusedVerdict, Verdict } from '../claims.ts';
import { AttestationError } from '../errors.ts';
import { refusedBy, verdictOf } from '../verdict.ts';
import type { SnpClaims } from './claims.ts';
import { verifySnpGenuine, type GenuineSnp } from './genuine.ts';
import type { SnpEndorsements, SnpGenuineOptions, SnpVerifyRequest } from './options.ts';
import { judgeSnp } from './policy.ts';
import type { SnpReferenceValues } from './reference-values.ts';

/** The verdict on one report against one set of reference values. */
export type SnpVerdict = Verdict<SnpClaims>;

/** A genuine report together with the checks that show it. */
export interface EstablishedSnp {
  readonly kind: 'genuine';
  readonly tee: 'snp';
  readonly genuine: GenuineSnp;
  readonly checks: CheckList;
}

/**
 * Decides whether a report is genuine, without regard to reference values.
 *
 * @returns what is needed to judge it, or the refusal
 */
export function establishSnp(
  report: Uint8Array,
  endorsements: SnpEndorsements,
  options: SnpGenuineOptions,
): EstablishedSnp | { readonly kind: 'refused'; readonly verdict: RefusedVerdict<never> } {
  const checks = new CheckList();
  try {
    const genuine = verifySnpGenuine(report, endorsements, options, checks);
    return { kind: 'genuine', tee: 'snp', genuine, checks };
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    return { kind: 'refused', verdict: refusedBy(error, checks) };
  }
}

/** Judges a genuine report against one set of reference values. */
export function concludeSnp(
  { genuine, checks }: EstablishedSnp,
  referenceValues: SnpReferenceValues,
  expectedReportData: Uint8Array,
): SnpVerdict {
  const all = new CheckList(checks);
  judgeSnp(genuine, referenceValues, expectedReportData, all);
  return verdictOf(all, genuine.claims, genuine.validUntil);
}

/**
 * Verifies and judges a report. Never throws for anything in the request's bytes.
 *
 * A development root must be listed twice: in `options.roots.development`, which says what this
 * process considers at all, and in the reference values (invariant I11).
 */
export function verifySnp({ report, endorsements, options }: SnpVerifyRequest): SnpVerdict {
  const established = establishSnp(report, endorsements, options);
  if (established.kind === 'refused') return established.verdict;
  return concludeSnp(established, options.referenceValues, options.expectedReportData);
}
