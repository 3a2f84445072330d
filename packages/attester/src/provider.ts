/**
 * The port through which a program gets evidence about itself. Judging evidence is the business of
 * `@witan/attestation`; nothing here looks at a signature.
 */

/**
 * What travels with a report so that a verifier needs no network. All of it is a hint: whoever
 * relays evidence may change it, and the verifier trusts none of it before its own checks.
 */
export interface SnpEndorsements {
  /** The host's certificate table as the kernel gave it (GHCB specification, SNP extended report). */
  readonly certificateTable?: Uint8Array;
  /** VCEK or VLEK, DER. */
  readonly vek?: Uint8Array;
  /** ASK or ASVK, DER. */
  readonly intermediate?: Uint8Array;
  /** ARK, DER. Never a source of trust. */
  readonly root?: Uint8Array;
  /** Revocation list of the ARK, DER. */
  readonly crl?: Uint8Array;
}

/** Evidence of an SEV-SNP guest. Structurally the type that `@witan/attestation` judges. */
export interface SnpEvidence {
  readonly kind: 'snp';
  /** ATTESTATION_REPORT, 1184 bytes (SEV-SNP ABI, table 23). */
  readonly report: Uint8Array;
  readonly endorsements: SnpEndorsements;
}

export type Evidence = SnpEvidence;

export interface CollectOptions {
  /** Stops waiting between two steps; a step that the kernel is working on cannot be interrupted. */
  readonly signal?: AbortSignal;
}

/** Collects fresh evidence over 64 bytes that the caller chose. Safe to call concurrently. */
export interface EvidenceProvider {
  readonly kind: Evidence['kind'];
  /** @throws AttesterError when the hardware gives none; see errors.json */
  collect(reportData: Uint8Array, options?: CollectOptions): Promise<Evidence>;
}
