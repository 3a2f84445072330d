/**
 * The certificate table of an extended report (GHCB specification, SNP_EXT_GUEST_REQUEST): entries
 * of GUID, offset and length, ended by an empty one, then DER blobs.
 *
 * The host writes it and nobody authenticates it, so it can only suggest certificates. Its root
 * certificate is never handed out.
 */
import { isAllZero, toHex } from '@witan/core';
import { AttestationError } from '../errors.ts';
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_TABLE_BYTES_MAX,
  CERTIFICATE_TABLE_ENTRIES_MAX,
} from '../limits.ts';
import { SNP_REPORT_BYTES } from './layout.ts';

/** Certificates that a host suggests, DER. */
export interface SnpCertificateTable {
  readonly vcek?: Uint8Array;
  readonly vlek?: Uint8Array;
  /** ASK or ASVK. */
  readonly intermediate?: Uint8Array;
}

const GUID_BYTES = 16;
const ENTRY_BYTES = 24;

const SLOTS = {
  '63da758de6644564adc5f4b93be8accd': 'vcek',
  a8074bc2a25a483eaae639c045a0b8a1: 'vlek',
  '4ab7b379bbac4fe4a02f05aef327c782': 'intermediate',
} as const satisfies Readonly<Record<string, keyof SnpCertificateTable>>;

/**
 * Takes an extended report apart: the report itself, and the certificate table behind it.
 *
 * @param bytes a report of 1184 bytes, with or without a table
 */
export function splitExtendedReport(bytes: Uint8Array): {
  readonly report: Uint8Array;
  readonly certificateTable?: Uint8Array;
} {
  if (bytes.byteLength <= SNP_REPORT_BYTES) return { report: bytes };
  return {
    report: bytes.subarray(0, SNP_REPORT_BYTES),
    certificateTable: bytes.subarray(SNP_REPORT_BYTES),
  };
}

/** GUIDs in text order and in the mixed order of Microsoft; both are in use. */
const SLOT_OF_GUID: ReadonlyMap<string, keyof SnpCertificateTable> = new Map(
  Object.entries(SLOTS).flatMap(([guid, slot]) => [
    [guid, slot],
    [mixedEndian(guid), slot],
  ]),
);

/**
 * Reads a certificate table. Unknown GUIDs are skipped; of several entries for one certificate the
 * first counts.
 *
 * @throws AttestationError SNP_CERTIFICATE_TABLE_MALFORMED when it is too long, not terminated, or
 *   an entry points outside
 */
export function parseCertificateTable(bytes: Uint8Array): SnpCertificateTable {
  if (bytes.byteLength > CERTIFICATE_TABLE_BYTES_MAX) {
    throw malformed('bytes', CERTIFICATE_TABLE_BYTES_MAX, bytes.byteLength);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: { -readonly [Slot in keyof SnpCertificateTable]: SnpCertificateTable[Slot] } = {};
  for (let entry = 0; entry < CERTIFICATE_TABLE_ENTRIES_MAX; entry += 1) {
    const at = entry * ENTRY_BYTES;
    if (at + ENTRY_BYTES > bytes.byteLength) throw malformed('entry', 'terminator', 'end');
    if (isAllZero(bytes.subarray(at, at + ENTRY_BYTES))) return found;
    const slot = SLOT_OF_GUID.get(toHex(bytes.subarray(at, at + GUID_BYTES)));
    const offset = view.getUint32(at + GUID_BYTES, true);
    const length = view.getUint32(at + GUID_BYTES + 4, true);
    if (offset + length > bytes.byteLength) {
      throw malformed('blob end', bytes.byteLength, offset + length);
    }
    if (slot === undefined || found[slot] !== undefined) continue;
    if (length > CERTIFICATE_BYTES_MAX) {
      throw malformed('certificate', CERTIFICATE_BYTES_MAX, length);
    }
    found[slot] = bytes.slice(offset, offset + length);
  }
  throw malformed('entries', CERTIFICATE_TABLE_ENTRIES_MAX, 'more');
}

function mixedEndian(guid: string): string {
  const swap = (from: number, to: number): string =>
    (guid.slice(from, to).match(/../g) ?? []).toReversed().join('');
  return swap(0, 8) + swap(8, 12) + swap(12, 16) + guid.slice(16);
}

function malformed(
  what: string,
  expected: string | number,
  found: string | number,
): AttestationError {
  return new AttestationError('SNP_CERTIFICATE_TABLE_MALFORMED', { what, expected, found });
}
