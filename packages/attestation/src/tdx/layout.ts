/**
 * Offsets and sizes of TDX quotes in bytes (Intel TDX DCAP quoting library, quote versions 4 and 5;
 * Intel SGX enclave report).
 */

/** Header before the body. */
export const QUOTE_HEADER_BYTES = 48;
/** Body of TDX 1.0: quote version 4, or version 5 with body type 2. */
export const TD_REPORT_10_BYTES = 584;
/** Body of TDX 1.5: quote version 5 with body type 3. */
export const TD_REPORT_15_BYTES = 648;
/** Type and size before the body of a version 5 quote. */
export const BODY_DESCRIPTOR_BYTES = 6;
/** Report of the quoting enclave. */
export const QE_REPORT_BYTES = 384;
/** ECDSA P-256 signature or raw public key. */
export const P256_PAIR_BYTES = 64;

/** Fields of the quote header. */
export const QUOTE_OFFSETS = {
  version: 0,
  attestationKeyType: 2,
  teeType: 4,
  vendorId: 12,
  userData: 28,
} as const;

/** Fields of the TD report body. */
export const TD_OFFSETS = {
  teeTcbSvn: 0,
  mrSeam: 16,
  mrSignerSeam: 64,
  seamAttributes: 112,
  tdAttributes: 120,
  xfam: 128,
  mrTd: 136,
  mrConfigId: 184,
  mrOwner: 232,
  mrOwnerConfig: 280,
  rtmr0: 328,
  reportData: 520,
  teeTcbSvn2: 584,
  mrServiceTd: 600,
} as const;

/** Fields of the quoting enclave's report. */
export const QE_OFFSETS = {
  miscSelect: 16,
  attributes: 48,
  mrSigner: 128,
  isvProdId: 256,
  isvSvn: 258,
  reportData: 320,
} as const;
