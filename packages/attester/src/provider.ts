/**
 * The port through which a program gets evidence about itself. Judging evidence is the business of
 * `@witan/attestation`; nothing here looks at a signature.
 */

/**
 * What travels with a report so that a verifier needs no network. All of it is a hint: whoever
 * relays evidence may change it, and the verifier trusts none of it before its own checks.
 */
export interface SnpEndorsements {
  /**
   * The host's certificate table as the kernel gave it (GHCB specification, SNP extended report).
   */
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

/** Intel's collateral for a quote, as far as the guest has it. Hints, as with SEV-SNP. */
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

/** Evidence of a TDX guest. Structurally the type that `@witan/attestation` judges. */
export interface TdxEvidence {
  readonly kind: 'tdx';
  /** Quote, version 4 or 5, as the kernel gave it; zeros may follow. */
  readonly quote: Uint8Array;
  readonly endorsements: TdxEndorsements;
}

/** Evidence of any kind that a provider gives. */
/** A quote of the vTPM's attestation key over its SHA-256 registers. */
export interface TpmQuote {
  /** TPMS_ATTEST; its extraData is the SHA-256 of the report data. */
  readonly message: Uint8Array;
  /** RSASSA with SHA-256 (PKCS #1 v1.5). */
  readonly signature: Uint8Array;
  /** PCR 0 to 23, 32 bytes each, which the quote's digest is over. */
  readonly pcrs: readonly Uint8Array[];
}

/** Evidence of an SEV-SNP guest below Azure's paravisor. */
export interface AzSnpEvidence {
  readonly kind: 'az-snp';
  /** The paravisor's report; its document holds the report data as `user-data`. */
  readonly hclReport: Uint8Array;
  readonly tpmQuote: TpmQuote;
  readonly endorsements: SnpEndorsements;
}

/** Evidence of a TDX guest below Azure's paravisor. */
export interface AzTdxEvidence {
  readonly kind: 'az-tdx';
  /** The paravisor's report; its document holds the report data as `user-data`. */
  readonly hclReport: Uint8Array;
  /** Quote over the document's SHA-256. */
  readonly quote: Uint8Array;
  readonly tpmQuote: TpmQuote;
  readonly endorsements: TdxEndorsements;
}

/** Evidence of any kind. */
export type Evidence = SnpEvidence | TdxEvidence | AzSnpEvidence | AzTdxEvidence;

/** What kind of evidence a provider gives. */
export type EvidenceKind = Evidence['kind'];

/** The evidence of one kind. */
export type EvidenceOf<Kind extends EvidenceKind> = EvidenceByKind[Kind];

/** An index, so that a provider of fewer kinds fits where one of more is wanted. */
interface EvidenceByKind {
  readonly snp: SnpEvidence;
  readonly tdx: TdxEvidence;
  readonly 'az-snp': AzSnpEvidence;
  readonly 'az-tdx': AzTdxEvidence;
}

/** How a collection may be stopped. */
export interface CollectOptions {
  /**
   * Stops waiting between two steps; a step that the kernel is working on cannot be interrupted.
   */
  readonly signal?: AbortSignal;
}

/**
 * Collects fresh evidence over 64 bytes that the caller chose. Safe to call concurrently.
 *
 * The parameter names the kinds that the holder is ready for. A provider of fewer kinds fits where
 * one of more is wanted. Without an argument it is SEV-SNP alone.
 */
export interface EvidenceProvider<out Kind extends EvidenceKind = 'snp'> {
  /**
   * Known from the start where only one kind is accepted, and else from the first collection on.
   * @throws AttesterError ATTESTER_KIND_UNKNOWN before that
   */
  readonly kind: Kind;
  /** @throws AttesterError when the hardware gives none; see errors.json */
  collect(reportData: Uint8Array, options?: CollectOptions): Promise<EvidenceOf<Kind>>;
  /**
   * The configuration measured at launch as the hardware tells this guest without the host between
   * them: MRCONFIGID of a TDX guest, 48 bytes. Undefined where the kernel does not show it. Absent
   * for SEV-SNP, whose reports the processor itself makes and hands over encrypted.
   */
  readonly localConfigId?: () => Promise<Uint8Array | undefined>;
}
