/**
 * Binary evidence, told apart by its own marks. Deciding what something is does not check it: an
 * altered report is still a report, and the verifier says what is wrong with it.
 */
import {
  CERTIFICATE_TABLE_BYTES_MAX,
  decodeEvidence,
  looksLikeEventLog,
  SNP_REPORT_BYTES,
  TDX_QUOTE_BYTES_MAX,
  type AzureEvidence,
  type Evidence,
} from '@witan/attestation';
import { isAllZero, toHex } from '@witan/core';
import { nodeCrypto } from '@witan/keys';

/** Evidence of every kind that the commands know. */
export type AnyEvidence = Evidence | AzureEvidence;

/** Evidence with what is known of its form. */
export interface RecognisedEvidence {
  readonly evidence: AnyEvidence;
  /** For people, such as `SEV-SNP report with certificate table`. */
  readonly format: string;
  /** What else the file says, for people. */
  readonly notes: readonly string[];
}

/** Something else that is known, and what to do about it. */
export interface RecognisedOther {
  readonly found: string;
  readonly expected?: string;
}

const REPORT_VERSION_MAX = 15;
const FIRMWARE_RESPONSE_HEADER_BYTES = 32;
const HCL = { magic: 0x414c4348, report: 32, data: 1216, json: 1236, typeSnp: 2 } as const;
const TEE_TYPE_TDX = 0x81;
const TPM_GENERATED = 0xff544347;
const INTEL_VENDOR_ID = '939a7233f79c4ca9940a0db3957f0607';
const QUOTE_VERSION_MAX = 15;
const QUOTE_HEADER_BYTES = 48;
const TD_REPORT_BYTES = 1024;

/**
 * Recognises SEV-SNP reports (bare, with a certificate table, in a firmware response or in an Azure
 * HCL report), TDX quotes and Witan's own encoding.
 *
 * @throws AttestationError when Witan's encoding is malformed
 */
export function recogniseEvidence(bytes: Uint8Array): RecognisedEvidence | RecognisedOther {
  if (bytes.byteLength < QUOTE_HEADER_BYTES) return { found: `${bytes.byteLength} bytes` };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getUint32(0, true);
  if (first === HCL.magic) return recogniseHcl(bytes, view);
  if (isQuote(bytes, view)) return recogniseQuote(bytes, view);
  const reportMax = SNP_REPORT_BYTES + CERTIFICATE_TABLE_BYTES_MAX;
  const isReport = first > 0 && first <= REPORT_VERSION_MAX && bytes.byteLength <= reportMax;
  if (isReport) return recogniseReport(bytes, first);
  if (first === 0 && view.getUint32(4, true) === SNP_REPORT_BYTES) {
    const rest = bytes.subarray(FIRMWARE_RESPONSE_HEADER_BYTES);
    const report = rest.subarray(0, SNP_REPORT_BYTES);
    return snp(report, undefined, 'SEV-SNP report in a firmware response');
  }
  if (bytes[0] === 1 && (bytes[1] === 1 || bytes[1] === 2)) {
    const evidence = decodeEvidence(bytes);
    const name = evidence.kind === 'snp' ? 'SEV-SNP report' : 'TDX quote';
    return { evidence, format: `${name} in Witan’s encoding`, notes: [] };
  }
  if (first === TEE_TYPE_TDX && bytes.byteLength === TD_REPORT_BYTES) {
    const found = 'a TDREPORT, which only its own machine can check';
    return { found, expected: 'the quote that the quoting service makes of it' };
  }
  if (looksLikeEventLog(bytes)) {
    return { found: 'a TCG2 event log', expected: 'a TDX quote (give the log with --event-log)' };
  }
  if (view.getUint32(0) === TPM_GENERATED) {
    const expected = 'JSON with hcl_report and tpm_quote';
    return { found: 'an attested structure of a TPM alone', expected };
  }
  if (bytes[0] === 0x30) {
    const found = 'DER, such as a certificate or revocation list';
    return { found, expected: 'evidence (give endorsements with --endorsements)' };
  }
  return { found: `${bytes.byteLength} unknown bytes, beginning ${toHex(bytes.subarray(0, 8))}` };
}

function recogniseReport(bytes: Uint8Array, version: number): RecognisedEvidence | RecognisedOther {
  if (bytes.byteLength < SNP_REPORT_BYTES) {
    const found = `${bytes.byteLength} bytes that begin like an SEV-SNP report`;
    return { found, expected: `${SNP_REPORT_BYTES} bytes` };
  }
  const rest = bytes.subarray(SNP_REPORT_BYTES);
  const report = bytes.subarray(0, SNP_REPORT_BYTES);
  const name = `SEV-SNP report, version ${version}`;
  if (rest.byteLength === 0) return snp(report, undefined, name);
  if (isAllZero(rest))
    return snp(report, undefined, name, [`${rest.byteLength} zero bytes follow`]);
  return snp(report, rest, `${name}, with certificate table`);
}

function snp(
  report: Uint8Array,
  certificateTable: Uint8Array | undefined,
  format: string,
  notes: readonly string[] = [],
): RecognisedEvidence {
  const endorsements = certificateTable === undefined ? {} : { certificateTable };
  return { evidence: { kind: 'snp', report, endorsements }, format, notes };
}

function isQuote(bytes: Uint8Array, view: DataView): boolean {
  const version = view.getUint16(0, true);
  if (version === 0 || version > QUOTE_VERSION_MAX) return false;
  const vendor = toHex(bytes.subarray(12, 28));
  return vendor === INTEL_VENDOR_ID || view.getUint32(4, true) === TEE_TYPE_TDX;
}

function recogniseQuote(bytes: Uint8Array, view: DataView): RecognisedEvidence | RecognisedOther {
  if (bytes.byteLength > TDX_QUOTE_BYTES_MAX) {
    const expected = `at most ${TDX_QUOTE_BYTES_MAX} bytes`;
    return { found: `a quote of ${bytes.byteLength} bytes`, expected };
  }
  const isTdx = view.getUint32(4, true) === TEE_TYPE_TDX;
  const format = `${isTdx ? 'TDX' : 'SGX'} quote, version ${view.getUint16(0, true)}`;
  return { evidence: { kind: 'tdx', quote: bytes, endorsements: {} }, format, notes: [] };
}

/** Azure's paravisor wraps the report and data whose hash the report carries. */
function recogniseHcl(bytes: Uint8Array, view: DataView): RecognisedEvidence | RecognisedOther {
  if (bytes.byteLength < HCL.json) {
    return { found: `${bytes.byteLength} bytes that begin like an Azure HCL report` };
  }
  if (view.getUint32(HCL.data + 8, true) !== HCL.typeSnp) {
    const found = 'an Azure HCL report of TDX, whose TDREPORT only its own machine can check';
    return { found, expected: 'JSON with hcl_report, tpm_quote and the td_quote of the host' };
  }
  const report = bytes.subarray(HCL.report, HCL.report + SNP_REPORT_BYTES);
  const runtime = bytes.subarray(HCL.json, HCL.json + view.getUint32(HCL.data + 16, true));
  const bound = toHex(nodeCrypto.hash('sha256', runtime)) === toHex(report.subarray(0x50, 0x70));
  const note = bound
    ? 'the runtime data of the HCL report has the SHA-256 that REPORT_DATA begins with'
    : 'REPORT_DATA DOES NOT BIND the runtime data of the HCL report';
  const alone = 'no quote of the vTPM is here: nothing says when this report was made';
  return snp(report, undefined, 'SEV-SNP report in an Azure HCL report', [note, alone]);
}
