/**
 * Where evidence carries the report data of its guest. Only the place is known here, so that an
 * attester notices evidence over other data; whether it is genuine is the verifier's business.
 */
import { bytesEqual, toHex } from '@witan/core';
import { AttesterError } from './errors.ts';

/** Bytes that a caller may bind into evidence. */
export const REPORT_DATA_BYTES = 64;
/** ATTESTATION_REPORT (SEV-SNP ABI, table 23). */
export const SNP_REPORT_BYTES = 1184;
/** REPORT_DATA in it. */
export const SNP_REPORT_DATA_OFFSET = 0x50;
/** REPORTDATA inside a TD report body of any version (Intel TDX DCAP quoting library). */
const TD_REPORT_DATA_OFFSET = 520;
const QUOTE_HEADER_BYTES = 48;
/** Quotes from version 5 on describe their body in 6 bytes before it. */
const BODY_DESCRIPTOR_BYTES = 6;

/** @throws AttesterError ATTESTER_REPORT_DATA_SIZE */
export function demandReportDataSize(reportData: Uint8Array): void {
  if (reportData.byteLength === REPORT_DATA_BYTES) return;
  throw new AttesterError('ATTESTER_REPORT_DATA_SIZE', 'report data has the wrong size', {
    fields: { expected: REPORT_DATA_BYTES, found: reportData.byteLength },
  });
}

/**
 * @param source where the report came from, for the error's fields
 * @returns the report without what some kernels pad it with
 * @throws AttesterError ATTESTER_REPORT_SIZE or ATTESTER_REPORT_DATA_MISMATCH
 */
export function snpReportOver(
  source: string,
  outblob: Uint8Array,
  reportData: Uint8Array,
): Uint8Array {
  demandAtLeast(source, outblob, SNP_REPORT_BYTES);
  const report = outblob.slice(0, SNP_REPORT_BYTES);
  demandBound(source, report, SNP_REPORT_DATA_OFFSET, reportData);
  return report;
}

/**
 * @param source where the quote came from, for the error's fields
 * @returns the quote
 * @throws AttesterError ATTESTER_REPORT_SIZE or ATTESTER_REPORT_DATA_MISMATCH
 */
export function tdxQuoteOver(
  source: string,
  outblob: Uint8Array,
  reportData: Uint8Array,
): Uint8Array {
  demandAtLeast(source, outblob, QUOTE_HEADER_BYTES);
  const version = (outblob[0] ?? 0) | ((outblob[1] ?? 0) << 8);
  const body = QUOTE_HEADER_BYTES + (version >= 5 ? BODY_DESCRIPTOR_BYTES : 0);
  const at = body + TD_REPORT_DATA_OFFSET;
  demandAtLeast(source, outblob, at + REPORT_DATA_BYTES);
  demandBound(source, outblob, at, reportData);
  return outblob.slice();
}

function demandAtLeast(source: string, bytes: Uint8Array, byteLength: number): void {
  if (bytes.byteLength >= byteLength) return;
  throw new AttesterError('ATTESTER_REPORT_SIZE', 'the report is too short', {
    fields: { source, expected: `at least ${byteLength}`, found: bytes.byteLength },
  });
}

/** Compares what evidence binds at an offset with what it should bind. */
function demandBound(
  source: string,
  bytes: Uint8Array,
  offset: number,
  reportData: Uint8Array,
): void {
  const bound = bytes.subarray(offset, offset + REPORT_DATA_BYTES);
  if (bytesEqual(bound, reportData)) return;
  throw new AttesterError('ATTESTER_REPORT_DATA_MISMATCH', 'the report binds other data', {
    fields: { source, expected: toHex(reportData), found: toHex(bound) },
  });
}
