/** A whole TDX verification with one thing changed at a time. */
import {
  parseTdxReferenceValues,
  verifyTdx,
  type TdReport,
  type TdxEndorsements,
  type TdxVerdict,
  type TdxVerifyOptions,
  type TdxVerifyRequest,
} from '../../src/index.ts';
import { unixMillis } from '@witan/core';
import {
  createTdxHierarchy,
  healthyTdReport,
  p256Key,
  QUOTING_ENCLAVE,
  TDX_NOW_MS,
  testCrypto,
  type QuotingEnclavePlan,
  type TdxHierarchy,
  type TdxHierarchyOptions,
  type TdxKeys,
  type TdxQuotePlan,
} from '../../testing/index.ts';
import { referenceJsonFor } from '../../testing/tdx-vectors.ts';

/** What is not as in a healthy verification. */
export interface TdxChanges {
  readonly hierarchy?: TdxHierarchyOptions;
  readonly report?: Partial<TdReport>;
  readonly enclave?: Partial<QuotingEnclavePlan>;
  readonly quote?: (hierarchy: TdxHierarchy) => Partial<TdxQuotePlan>;
  readonly bytes?: (quote: Uint8Array) => Uint8Array;
  readonly endorsements?: (hierarchy: TdxHierarchy) => Partial<TdxEndorsements>;
  readonly options?: Partial<TdxVerifyOptions>;
  readonly reference?: Readonly<Record<string, unknown>>;
}

/** Keys that all scenes share, so that a scene costs no keys. */
export const TDX_KEYS: TdxKeys = {
  root: p256Key(),
  authority: p256Key(),
  pck: p256Key(),
  tcbSigner: p256Key(),
};
export const ATTESTATION_KEY = p256Key();

export function tdxScene(changes: TdxChanges = {}): TdxVerifyRequest {
  const hierarchy = createTdxHierarchy({ keys: TDX_KEYS, ...changes.hierarchy });
  const report = healthyTdReport(changes.report);
  const made = hierarchy.quote(report, {
    attestationKey: ATTESTATION_KEY,
    quotingEnclave: { ...QUOTING_ENCLAVE, ...changes.enclave },
    ...changes.quote?.(hierarchy),
  });
  return {
    quote: changes.bytes?.(made) ?? made,
    endorsements: { ...hierarchy.endorsements, ...changes.endorsements?.(hierarchy) },
    options: {
      now: unixMillis(TDX_NOW_MS),
      crypto: testCrypto,
      roots: { production: [], development: [hierarchy.fingerprint] },
      expectedReportData: report.reportData,
      referenceValues: parseTdxReferenceValues(
        {
          ...referenceJsonFor(made),
          developmentRoots: [hierarchy.fingerprint],
          ...changes.reference,
        },
        'reference',
      ),
      ...changes.options,
    },
  };
}

export function judgeTdxScene(changes: TdxChanges = {}): TdxVerdict {
  return verifyTdx(tdxScene(changes));
}

/** The code of a verdict, or `accepted`. */
export function tdxOutcome(verdict: TdxVerdict): string {
  return verdict.ok ? 'accepted' : verdict.code;
}
