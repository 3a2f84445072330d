/**
 * What a firmware image says about how it is to be launched: the GUID table at its end and the SEV
 * metadata (edk2 OvmfPkg reset vector; AMD SEV-SNP firmware ABI, launch).
 */
import { toHex } from '@witan/core';
import { AttestationError } from '../../errors.ts';

/** What a section of the guest's memory is for. Numbers as in the metadata. */
export const SECTION_TYPE = {
  secMemory: 1,
  secrets: 2,
  cpuid: 3,
  svsmCallingArea: 4,
  kernelHashes: 0x10,
} as const;

/** A range of guest memory that is measured apart from the image. */
export interface FirmwareSection {
  /** Guest physical address, a multiple of 4096. */
  readonly gpa: number;
  /** Bytes, a multiple of 4096. */
  readonly byteLength: number;
  readonly type: number;
}

/** A firmware image as far as its launch digest depends on it. */
export interface FirmwareImage {
  readonly bytes: Uint8Array;
  readonly sections: readonly FirmwareSection[];
  /** Guest physical address of the table of kernel hashes; undefined when there is none. */
  readonly hashTableGpa: number | undefined;
  /** Where the other vCPUs start; undefined when the image does not say. */
  readonly resetEip: number | undefined;
}

/** Largest firmware image in bytes. */
export const FIRMWARE_BYTES_MAX: number = 64 * 1024 * 1024;
export const PAGE_BYTES = 4096;

const ENTRY_HEADER_BYTES = 18;
/** Bytes behind the footer of the table: the reset vector. */
const BEHIND_FOOTER_BYTES = 32;
/** GUIDs as they stand in memory: the first three groups little-endian. */
const FOOTER_GUID = guidBytes('96b582de-1fb2-45f7-baea-a366c55a082d');
const HASH_TABLE_GUID = guidBytes('7255371f-3a3b-4b04-927b-1da6efa8d454');
const RESET_BLOCK_GUID = guidBytes('00f771de-1a7e-4fcb-890e-68c77e2fb44e');
const METADATA_GUID = guidBytes('dc886566-984a-4798-a75e-5585a7bf67cc');
/** "ASEV" as a little-endian number. */
const METADATA_MAGIC = 0x56455341;
const METADATA_HEADER_BYTES = 16;
const METADATA_VERSION = 1;
const DESCRIPTOR_BYTES = 12;
const SECTIONS_MAX = 256;
/** Pages of all sections; four times what any image reserves. */
const SECTION_PAGES_MAX = 16_384;

/** A GUID as hex of its bytes in memory. */
export function guidBytes(guid: string): string {
  const [a = '', b = '', c = '', d = '', e = ''] = guid.split('-');
  const swapped = [a, b, c].map((group) => (group.match(/../g) ?? []).toReversed().join(''));
  return [...swapped, d, e].join('');
}

/**
 * Reads an image that is made for SEV-SNP.
 *
 * @throws AttestationError LAUNCH_FIRMWARE_MALFORMED
 */
export function parseFirmware(bytes: Uint8Array): FirmwareImage {
  if (bytes.byteLength > FIRMWARE_BYTES_MAX || bytes.byteLength % PAGE_BYTES !== 0) {
    throw malformed(`whole pages, at most ${FIRMWARE_BYTES_MAX} bytes`, bytes.byteLength);
  }
  const entries = readTable(bytes);
  const number = (guid: string): number | undefined => {
    const entry = entries.get(guid);
    return entry === undefined ? undefined : viewOf(entry, 4).getUint32(0, true);
  };
  const metadataFromEnd = number(METADATA_GUID);
  if (metadataFromEnd === undefined) throw malformed('SEV metadata', 'none');
  const hashTableGpa = number(HASH_TABLE_GUID);
  return {
    bytes,
    sections: readSections(bytes, metadataFromEnd),
    // Address 0 is how an image says that it reserves no such table.
    hashTableGpa: hashTableGpa === 0 ? undefined : hashTableGpa,
    resetEip: number(RESET_BLOCK_GUID),
  };
}

/** Entries of the GUID table by GUID. It is read backwards from its footer. */
function readTable(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>();
  const footerAt = bytes.byteLength - BEHIND_FOOTER_BYTES - ENTRY_HEADER_BYTES;
  if (footerAt < 0) throw malformed('a page', bytes.byteLength);
  const footer = readEntryHeader(bytes, footerAt);
  if (footer.guid !== FOOTER_GUID) throw malformed('a GUID table', footer.guid);
  const start = footerAt + ENTRY_HEADER_BYTES - footer.byteLength;
  if (start < 0 || start > footerAt) throw malformed('a table within the image', footer.byteLength);
  let end = footerAt;
  while (end > start) {
    if (end - start < ENTRY_HEADER_BYTES) throw malformed('a whole entry', end - start);
    const header = readEntryHeader(bytes, end - ENTRY_HEADER_BYTES);
    const next = end - header.byteLength;
    if (header.byteLength < ENTRY_HEADER_BYTES || next < start) {
      throw malformed('an entry within the table', header.byteLength);
    }
    entries.set(header.guid, bytes.subarray(next, end - ENTRY_HEADER_BYTES));
    end = next;
  }
  return entries;
}

function readEntryHeader(
  bytes: Uint8Array,
  at: number,
): { readonly byteLength: number; readonly guid: string } {
  const view = viewOf(bytes.subarray(at), ENTRY_HEADER_BYTES);
  const guid = toHex(bytes.subarray(at + 2, at + ENTRY_HEADER_BYTES));
  return { byteLength: view.getUint16(0, true), guid };
}

function readSections(bytes: Uint8Array, fromEnd: number): readonly FirmwareSection[] {
  if (fromEnd > bytes.byteLength) throw malformed('metadata within the image', fromEnd);
  const metadata = bytes.subarray(bytes.byteLength - fromEnd);
  const header = viewOf(metadata, METADATA_HEADER_BYTES);
  if (header.getUint32(0, true) !== METADATA_MAGIC) throw malformed('ASEV', header.getUint32(0));
  const byteLength = header.getUint32(4, true);
  const version = header.getUint32(8, true);
  const count = header.getUint32(12, true);
  if (version !== METADATA_VERSION)
    throw malformed(`metadata version ${METADATA_VERSION}`, version);
  const needed = METADATA_HEADER_BYTES + count * DESCRIPTOR_BYTES;
  if (count > SECTIONS_MAX || needed > byteLength || needed > metadata.byteLength) {
    throw malformed(`at most ${SECTIONS_MAX} sections within the metadata`, count);
  }
  const sections = Array.from({ length: count }, (_, index): FirmwareSection => {
    const at = METADATA_HEADER_BYTES + index * DESCRIPTOR_BYTES;
    const view = viewOf(metadata.subarray(at), DESCRIPTOR_BYTES);
    return {
      gpa: view.getUint32(0, true),
      byteLength: view.getUint32(4, true),
      type: view.getUint32(8, true),
    };
  });
  const odd = sections.find(({ gpa, byteLength: size }) => (gpa | size) % PAGE_BYTES !== 0);
  if (odd !== undefined) throw malformed('sections of whole pages', odd.byteLength);
  const pages = sections.reduce((sum, { byteLength: size }) => sum + size / PAGE_BYTES, 0);
  if (pages > SECTION_PAGES_MAX) throw malformed(`at most ${SECTION_PAGES_MAX} pages`, pages);
  return sections;
}

function viewOf(bytes: Uint8Array, byteLengthMin: number): DataView {
  if (bytes.byteLength < byteLengthMin) throw malformed(`${byteLengthMin} bytes`, bytes.byteLength);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function malformed(expected: string, found: string | number): AttestationError {
  return new AttestationError('LAUNCH_FIRMWARE_MALFORMED', { expected, found });
}
