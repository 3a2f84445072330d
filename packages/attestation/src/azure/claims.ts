/**
 * What Azure's evidence says beyond the hardware's report, and who vouches for it. Three speak
 * here. The hardware signs its report, and by that the digest of the paravisor's document. The
 * paravisor wrote the document: its word counts as far as its launch digest is one that is known.
 * The vTPM, whose key is in the document and which the paravisor runs, signs registers and nonce.
 */

/** Claims of Azure's paravisor and vTPM. Byte strings are lower-case hex. */
export interface AzureClaims {
  /** SHA-256 of the paravisor's document. Proven by the hardware: REPORT_DATA begins with it. */
  readonly runtimeDataDigest: string;
  /** 64 bytes of the guest in the document. Proven by the hardware, through the paravisor. */
  readonly userData: string | undefined;
  /** What the paravisor says of the machine, such as `secure-boot`. */
  readonly vmConfiguration: Readonly<Record<string, string | number | boolean>>;
  /** SHA-256 of the vTPM's attestation key (SubjectPublicKeyInfo), which is in the document. */
  readonly attestationKey: string;
  /** Qualifying data of the quote. Proven by the vTPM: this is where freshness comes from. */
  readonly nonce: string;
  /** Numbers of the quoted registers; their values are among the measurements, as `pcr0`… */
  readonly pcrSelection: readonly number[];
  /** Counts resets of the vTPM; proven by the vTPM. */
  readonly resetCount: number;
  readonly restartCount: number;
}
