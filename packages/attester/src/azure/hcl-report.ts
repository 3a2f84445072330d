/**
 * The paravisor's report in the vTPM of Azure's confidential VMs: a hardware report over the digest
 * of a JSON document, and the document (Microsoft, "Guest attestation for confidential VMs").
 */
import { createHash } from 'node:crypto';
import { bytesEqual, concatBytes, fromUtf8, toHex } from '@witan/core';
import { AttesterError } from '../errors.ts';
import { SNP_REPORT_DATA_OFFSET } from '../report-data.ts';

/** What is of use in the report. */
export interface HclReport {
  readonly kind: 'az-snp' | 'az-tdx';
  /** Header, hardware report and document, without the zeros behind them. */
  readonly bytes: Uint8Array;
  /** TDREPORT, 1024 bytes; TDX only. */
  readonly tdReport: Uint8Array;
  /** The 64 bytes that the hardware binds: the document's SHA-256 and zeros. */
  readonly reportData: Uint8Array;
  /** `user-data` of the document: 64 bytes in hex, lower case; undefined when there is none. */
  readonly userData: string | undefined;
}

const MAGIC = 0x414c4348;
const HARDWARE_OFFSET = 32;
const RUNTIME_OFFSET = 1216;
const DOCUMENT_OFFSET = 1236;
const TYPE_SNP = 2;
const TYPE_TDX = 4;
const HASH_SHA256 = 1;
const TD_REPORT_BYTES = 1024;
/** REPORTDATA in REPORTMACSTRUCT (Intel TDX module base specification). */
const TD_REPORT_DATA_OFFSET = 128;

/** @throws AttesterError ATTESTER_HCL_MALFORMED */
export function parseHclReport(bytes: Uint8Array): HclReport {
  if (bytes.byteLength < DOCUMENT_OFFSET) throw malformed('length', `${DOCUMENT_OFFSET} or more`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw malformed('magic', 'HCLA');
  const kind = kindOf(view.getUint32(RUNTIME_OFFSET + 8, true));
  if (view.getUint32(RUNTIME_OFFSET + 12, true) !== HASH_SHA256) throw malformed('hash', 'SHA-256');
  const end = DOCUMENT_OFFSET + view.getUint32(RUNTIME_OFFSET + 16, true);
  if (end > bytes.byteLength) throw malformed('document length', `within ${bytes.byteLength}`);
  const document = bytes.slice(DOCUMENT_OFFSET, end);
  const hardware = bytes.slice(HARDWARE_OFFSET, RUNTIME_OFFSET);
  const reportData = concatBytes(
    createHash('sha256').update(document).digest(),
    new Uint8Array(32),
  );
  const at = kind === 'az-snp' ? SNP_REPORT_DATA_OFFSET : TD_REPORT_DATA_OFFSET;
  if (!bytesEqual(hardware.subarray(at, at + 64), reportData)) {
    throw malformed('report data', toHex(reportData));
  }
  return {
    kind,
    bytes: bytes.slice(0, end),
    tdReport: hardware.slice(0, TD_REPORT_BYTES),
    reportData,
    userData: userDataOf(document),
  };
}

function kindOf(type: number): HclReport['kind'] {
  if (type === TYPE_SNP) return 'az-snp';
  if (type === TYPE_TDX) return 'az-tdx';
  throw malformed('report type', `${TYPE_SNP} or ${TYPE_TDX}, not ${type}`);
}

function userDataOf(document: Uint8Array): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(document));
  } catch (error) {
    throw malformed('document', 'JSON', error);
  }
  if (typeof value !== 'object' || value === null || !('user-data' in value)) return undefined;
  const userData = value['user-data'];
  return typeof userData === 'string' ? userData.toLowerCase() : undefined;
}

function malformed(what: string, expected: string, cause?: unknown): AttesterError {
  const message = "the paravisor's report cannot be read";
  return new AttesterError('ATTESTER_HCL_MALFORMED', message, {
    fields: { what, expected },
    cause,
  });
}
