/**
 * The TDX verifier: from bytes to a verdict, in the order structure, chain, collateral, module,
 * quoting enclave, signature, rating, policy.
 */
import type { UnixMillis } from '@witan/core';
import { CheckList } from '../check-list.ts';
import type { RefusedVerdict, Verdict } from '../claims.ts';
import { AttestationError } from '../errors.ts';
import { refusedBy, verdictOf } from '../verdict.ts';
import type { TdxClaims } from './claims.ts';
import { verifyTdxGenuine, type GenuineTdx } from './genuine.ts';
import type { TdxEndorsements, TdxGenuineOptions, TdxVerifyRequest } from './options.ts';
import { judgeTdx } from './policy.ts';
import type { TdxReferenceValues } from './reference-values.ts';

/** The verdict on one quote against one set of reference values. */
export type TdxVerdict = Verdict<TdxClaims>;

/** A genuine quote together with the checks that show it. */
export interface EstablishedTdx {
  readonly kind: 'genuine';
  readonly tee: 'tdx';
  readonly genuine: GenuineTdx;
  readonly checks: CheckList;
  readonly now: UnixMillis;
}

/**
 * Decides whether a quote is genuine, without regard to reference values.
 *
 * @returns what is needed to judge it, or the refusal
 */
export function establishTdx(
  quote: Uint8Array,
  endorsements: TdxEndorsements,
  options: TdxGenuineOptions,
): EstablishedTdx | { readonly kind: 'refused'; readonly verdict: RefusedVerdict<never> } {
  const checks = new CheckList();
  try {
    const genuine = verifyTdxGenuine(quote, endorsements, options, checks);
    return { kind: 'genuine', tee: 'tdx', genuine, checks, now: options.now };
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    return { kind: 'refused', verdict: refusedBy(error, checks) };
  }
}

/** Judges a genuine quote against one set of reference values. */
export function concludeTdx(
  { genuine, checks, now }: EstablishedTdx,
  referenceValues: TdxReferenceValues,
  expectedReportData: Uint8Array,
): TdxVerdict {
  const all = new CheckList(checks);
  judgeTdx(genuine, referenceValues, expectedReportData, now, all);
  return verdictOf(all, genuine.claims, genuine.validUntil);
}

/**
 * Verifies and judges a quote. Never throws for anything in the request's bytes.
 *
 * A development root must be listed twice: in `options.roots.development`, which says what this
 * process considers at all, and in the reference values (invariant I11).
 */
export function verifyTdx({ quote, endorsements, options }: TdxVerifyRequest): TdxVerdict {
  const established = establishTdx(quote, endorsements, options);
  if (established.kind === 'refused') return established.verdict;
  return concludeTdx(established, options.referenceValues, options.expectedReportData);
}
