/**
 * The ACPI table CCEL (ACPI 6.5, section 5.2.34; UEFI 2.10, section 38): says that the firmware of
 * a confidential guest wrote an event log, and where. Nothing in it is signed.
 */
import { AttestationError } from '../errors.ts';
import { CCEL_TABLE_BYTES_MAX } from '../limits.ts';

/** What the table says. */
export interface CcelTable {
  readonly revision: number;
  readonly oemId: string;
  /** Bytes that the firmware reserved for the log. */
  readonly logBytes: bigint;
  /** Physical address of the log. */
  readonly logAddress: bigint;
}

/** `CCEL` as the table begins. */
export const CCEL_SIGNATURE = 'CCEL';

const TABLE_BYTES = 56;
const CC_TYPE_TDX = 2;

/** @throws AttestationError EVENT_LOG_TABLE_MALFORMED */
export function parseCcelTable(bytes: Uint8Array): CcelTable {
  const { byteLength } = bytes;
  if (byteLength < TABLE_BYTES || byteLength > CCEL_TABLE_BYTES_MAX) {
    throw malformed('length', TABLE_BYTES, byteLength);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
  const signature = ascii(bytes.subarray(0, 4));
  if (signature !== CCEL_SIGNATURE) throw malformed('signature', CCEL_SIGNATURE, signature);
  const length = view.getUint32(4, true);
  if (length !== byteLength) throw malformed('length', byteLength, length);
  const sum = bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
  if (sum !== 0) throw malformed('checksum', 0, sum);
  const type = view.getUint8(36);
  if (type !== CC_TYPE_TDX) throw malformed('type', `${CC_TYPE_TDX} (TDX)`, type);
  return {
    revision: view.getUint8(8),
    oemId: ascii(bytes.subarray(10, 16)).trim(),
    logBytes: view.getBigUint64(40, true),
    logAddress: view.getBigUint64(48, true),
  };
}

/** Printable characters only; anything else becomes a question mark. */
function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.map((byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x3f)));
}

function malformed(
  what: string,
  expected: number | string,
  found: number | string,
): AttestationError {
  return new AttestationError('EVENT_LOG_TABLE_MALFORMED', { what, expected, found });
}
