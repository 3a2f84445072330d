/**
 * The paravisor's report in the vTPM of Azure's confidential VMs ("HCL report"): a header, the
 * area with the hardware's report, and a JSON document whose SHA-256 the hardware's report carries
 * (Microsoft, "Guest attestation for confidential VMs", attestation report format). Little-endian.
 *
 * Header and lengths are not signed. They must agree with each other to the byte, so that a report
 * has one encoding, apart from the zeros that fill its NV index.
 */
import { isAllZero } from '@witan/core';
import { AttestationError } from '../errors.ts';
import { HCL_REPORT_BYTES_MAX } from '../limits.ts';

/** The parts of an HCL report; nothing of it is verified yet. */
export interface HclReport {
  readonly tee: 'snp' | 'tdx';
  /** Version of the header: 1 or 2. */
  readonly headerVersion: number;
  /** SEV-SNP: the report, 1184 bytes. TDX: a TDREPORT of 1024 bytes. */
  readonly hardwareReport: Uint8Array;
  /** The JSON document exactly as it was hashed. */
  readonly runtimeData: Uint8Array;
}

/** Where each part begins, in bytes. */
export const HCL_OFFSETS = {
  magic: 0,
  version: 4,
  reportSize: 8,
  requestType: 12,
  status: 16,
  reserved: 20,
  hardwareReport: 32,
  dataSize: 1216,
  dataVersion: 1220,
  reportType: 1224,
  hashType: 1228,
  runtimeDataSize: 1232,
  runtimeData: 1236,
} as const;

/** `HCLA` as a little-endian number. */
export const HCL_MAGIC = 0x414c4348;
/** Length of a TDREPORT. */
export const TDREPORT_BYTES = 1024;

const REQUEST_ATTESTATION = 2;
const TYPE_SNP = 2;
const TYPE_TDX = 4;
const HASH_SHA256 = 1;
const DATA_HEADER_BYTES = 20;

/** @throws AttestationError AZURE_HCL_MALFORMED */
export function parseHclReport(bytes: Uint8Array): HclReport {
  const { byteLength } = bytes;
  if (byteLength < HCL_OFFSETS.runtimeData || byteLength > HCL_REPORT_BYTES_MAX) {
    const expected = `${HCL_OFFSETS.runtimeData} to ${HCL_REPORT_BYTES_MAX} bytes`;
    throw malformed('length', expected, byteLength);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const expect = (what: keyof typeof HCL_OFFSETS, expected: number): void => {
    const found = u32(HCL_OFFSETS[what]);
    if (found !== expected) throw malformed(what, expected, found);
  };
  expect('magic', HCL_MAGIC);
  const headerVersion = u32(HCL_OFFSETS.version);
  if (headerVersion !== 1 && headerVersion !== 2) {
    throw malformed('version', '1 or 2', headerVersion);
  }
  expect('requestType', REQUEST_ATTESTATION);
  expect('status', 0);
  if (!isAllZero(bytes.subarray(HCL_OFFSETS.reserved, HCL_OFFSETS.hardwareReport))) {
    throw malformed('reserved', 0, 'other bytes');
  }
  const tee = teeOf(u32(HCL_OFFSETS.reportType));
  expect('dataVersion', 1);
  expect('hashType', HASH_SHA256);
  const runtimeDataSize = u32(HCL_OFFSETS.runtimeDataSize);
  const end = HCL_OFFSETS.runtimeData + runtimeDataSize;
  if (end > byteLength) {
    throw malformed('runtimeDataSize', byteLength - HCL_OFFSETS.runtimeData, runtimeDataSize);
  }
  expect('dataSize', DATA_HEADER_BYTES + runtimeDataSize);
  expect('reportSize', end);
  if (!isAllZero(bytes.subarray(end))) throw malformed('padding', 0, 'other bytes');
  const area = bytes.slice(HCL_OFFSETS.hardwareReport, HCL_OFFSETS.dataSize);
  if (tee === 'tdx' && !isAllZero(area.subarray(TDREPORT_BYTES))) {
    throw malformed('padding of the TDREPORT', 0, 'other bytes');
  }
  return {
    tee,
    headerVersion,
    hardwareReport: tee === 'snp' ? area : area.slice(0, TDREPORT_BYTES),
    runtimeData: bytes.slice(HCL_OFFSETS.runtimeData, end),
  };
}

function teeOf(type: number): HclReport['tee'] {
  if (type === TYPE_SNP) return 'snp';
  if (type === TYPE_TDX) return 'tdx';
  throw malformed('reportType', `${TYPE_SNP} (SNP) or ${TYPE_TDX} (TDX)`, type);
}

function malformed(
  what: string,
  expected: number | string,
  found: number | string,
): AttestationError {
  return new AttestationError('AZURE_HCL_MALFORMED', { what, expected, found });
}
