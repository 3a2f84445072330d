/**
 * What the SEV-SNP verifier is given beside the report. There is no clock, no network and no
 * environment in it: the same arguments always give the same verdict.
 */
import type { Crypto, UnixMillis } from '@witan/core';
import type { SnpChainCache } from './chain-cache.ts';
import type { SnpRoots } from './roots.ts';
import type { SnpReferenceValues } from './reference-values.ts';

/**
 * Certificates and lists that come with a report. They are hints: nothing in them is believed
 * before it is verified down from a pinned root. Each is DER.
 */
export interface SnpEndorsements {
  /** VCEK or VLEK certificate. */
  readonly vek?: Uint8Array;
  /** ASK or ASVK certificate. */
  readonly intermediate?: Uint8Array;
  /** ARK certificate. Without it, AMD's own for the product is taken. */
  readonly root?: Uint8Array;
  /** Revocation list of the ARK. */
  readonly crl?: Uint8Array;
  /** Certificate table of an extended report (`auxblob`). Its root certificate is never used. */
  readonly certificateTable?: Uint8Array;
}

/**
 * `required`: without a list the report is refused, though it may be genuine. `if-present`: a
 * missing list is a finding. A list that is there must be valid in any case.
 */
export type RevocationMode = 'required' | 'if-present';

/** What is needed to decide whether a report is genuine. */
export interface SnpGenuineOptions {
  readonly now: UnixMillis;
  readonly crypto: Crypto;
  readonly roots: SnpRoots;
  readonly revocation: RevocationMode;
  /** Chains whose signatures were checked before; without it, all are checked each time. */
  readonly chainCache?: SnpChainCache;
}

/** Everything that a whole verification needs. */
export interface SnpVerifyOptions extends SnpGenuineOptions {
  /** The 64 bytes that the report must carry. */
  readonly expectedReportData: Uint8Array;
  readonly referenceValues: SnpReferenceValues;
}

/** A report with what is needed to judge it. */
export interface SnpVerifyRequest {
  /** The report: exactly 1184 bytes. */
  readonly report: Uint8Array;
  readonly endorsements: SnpEndorsements;
  readonly options: SnpVerifyOptions;
}
