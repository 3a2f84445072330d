/**
 * Judging hardware evidence: a pure function of evidence, endorsements, reference values and time.
 */
export {
  appraise,
  type AnyReferenceValues,
  type AppraisalContext,
  type AppraisalResult,
  type Refusal,
} from './appraise.ts';
export * from './claims.ts';
export {
  configDigestFor,
  readConfigDigestUnverified,
  wantedConfigDigest,
} from './config-digest.ts';
export { describeRefusal } from './describe.ts';
export * from './errors.ts';
export * from './evidence.ts';
export * from './limits.ts';
export * from './reference-values.ts';
export * from './snp/claims.ts';
export * from './snp/flags.ts';
export * from './snp/layout.ts';
export * from './snp/options.ts';
export * from './snp/product.ts';
export * from './snp/reference-values.ts';
export * from './snp/report.ts';
export * from './snp/roots.ts';
export * from './snp/tcb.ts';
export * from './x509/algorithm.ts';
export * from './x509/certificate.ts';
export * from './x509/crl.ts';
export * from './x509/extension.ts';
export * from './x509/name.ts';
export * from './x509/pem.ts';
export {
  parseCertificateTable,
  splitExtendedReport,
  type SnpCertificateTable,
} from './snp/certificate-table.ts';
export { amdRootCertificate } from './snp/ark-certificates.ts';
export * from './snp/chain-cache.ts';
export { rememberingSignatures } from './remembered-signatures.ts';
export type { SnpChain } from './snp/chain.ts';
export {
  concludeSnp,
  establishSnp,
  verifySnp,
  type EstablishedSnp,
  type SnpVerdict,
} from './snp/verify.ts';
export { readVekExtensions, type VekExtensions } from './snp/vek.ts';
export * from './hex64.ts';
export * from './tdx/attributes.ts';
export * from './tdx/claims.ts';
export * from './tdx/options.ts';
export * from './tdx/reference-values.ts';
export { parseQeIdentity, parseTcbInfo, type QeIdentity, type TcbInfo } from './tdx/collateral.ts';
export { readPckExtensions, type PckExtensions } from './tdx/pck.ts';
export * from './tdx/quote.ts';
export { mergeTcbStatus, rateTdx, type TdxRating, type TdxTcbStatus } from './tdx/tcb.ts';
export {
  concludeTdx,
  establishTdx,
  verifyTdx,
  type EstablishedTdx,
  type TdxVerdict,
} from './tdx/verify.ts';
export {
  CPU_SIGNATURES,
  cpuSignature,
  snpFirmwareDigest,
  snpLaunchDigests,
  type SnpLaunchDigest,
  type SnpLaunchPlan,
} from './snp/launch/digest.ts';
export type { DirectBoot } from './snp/launch/kernel-hashes.ts';
export type { VmmKind } from './snp/launch/vmsa.ts';
export * from './azure/appraise.ts';
export type { AzureClaims } from './azure/claims.ts';
export * from './azure/evidence.ts';
export { HCL_MAGIC, HCL_OFFSETS, parseHclReport, type HclReport } from './azure/hcl-report.ts';
export { azureExpectationOf, judgeAzureFreshness, type AzureExpectation } from './azure/policy.ts';
export * from './azure/reference-values.ts';
export { parseRuntimeData, type RsaPublicKey, type RuntimeData } from './azure/runtime-data.ts';
export { TDREPORT_OFFSETS } from './azure/td-report.ts';
export { parseTpmAttest, type TpmAttest, type TpmClock, type TpmQuote } from './azure/tpm-quote.ts';
export * from './azure/verify.ts';
export { CCEL_SIGNATURE, parseCcelTable, type CcelTable } from './event-log/ccel-table.ts';
export {
  EV_NO_ACTION,
  looksLikeEventLog,
  parseEventLog,
  type EventLog,
  type LogEvent,
} from './event-log/log.ts';
export { checkEventLog, isEventDataHashed, replayEventLog } from './event-log/replay.ts';
