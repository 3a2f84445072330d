/**
 * What the TDX verifier is given beside the quote. As with SEV-SNP there is no clock, no network
 * and no environment in it.
 */
import type { Crypto, UnixMillis } from '@witan/core';
import type { TdxReferenceValues } from './reference-values.ts';

/**
 * Intel's collateral for a quote. It comes with the evidence or from a cache and is believed only
 * as far as Intel's root signed it. Documents are the exact signed bytes.
 */
export interface TdxEndorsements {
  /** Revocation list of the root, DER. */
  readonly rootCrl?: Uint8Array;
  /** Revocation list of the Platform or Processor CA, DER. */
  readonly pckCrl?: Uint8Array;
  /** PEM chain that begins with the TCB signing certificate. */
  readonly tcbInfoIssuerChain?: Uint8Array;
  /** The `tcbInfo` object as it was signed. */
  readonly tcbInfo?: Uint8Array;
  /** r and s, 64 bytes. */
  readonly tcbInfoSignature?: Uint8Array;
  /** PEM chain that begins with the TCB signing certificate. */
  readonly qeIdentityIssuerChain?: Uint8Array;
  /** The `enclaveIdentity` object as it was signed. */
  readonly qeIdentity?: Uint8Array;
  /** r and s, 64 bytes. */
  readonly qeIdentitySignature?: Uint8Array;
}

/** Which roots a verifier accepts, by the SHA-256 of their DER certificates in hex. */
export interface TdxRoots {
  /** Pinned roots of real hardware; `INTEL_ROOTS` unless a test needs others. */
  readonly production: readonly string[];
  /** Development roots. Evidence under them is marked as simulated (I11). */
  readonly development: readonly string[];
}

/** Intel SGX Root CA. */
export const INTEL_ROOTS: readonly string[] = [
  '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3',
];

/** What is needed to decide whether a quote is genuine. */
export interface TdxGenuineOptions {
  readonly now: UnixMillis;
  readonly crypto: Crypto;
  readonly roots: TdxRoots;
}

/** Everything that a whole verification needs. */
export interface TdxVerifyOptions extends TdxGenuineOptions {
  /** The 64 bytes that the quote must carry. */
  readonly expectedReportData: Uint8Array;
  readonly referenceValues: TdxReferenceValues;
}

/** A quote with what is needed to judge it. */
export interface TdxVerifyRequest {
  readonly quote: Uint8Array;
  readonly endorsements: TdxEndorsements;
  readonly options: TdxVerifyOptions;
}
