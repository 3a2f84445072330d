/**
 * Segments: the files that records are appended to, `segment-<sequence>.wal`.
 *
 * Header: magic 8 | version u32 | owner length u32 | sequence u64 | preallocated size u64 |
 * chain u32 | zero u32 | owner, zero-padded to 8 | zeros to a multiple of 16, of which the last 8
 * bytes are crc u32 | zero u32. The CRC is seeded with the
 * chain value of the segment before and seeds the first frame's. A segment is made under another
 * name, filled with zeros, synced and renamed, so its header is never torn.
 */
import { crc32 } from 'node:zlib';
import { bytesEqual, isAllZero, utf8 } from '@witan/core';
import { JournalError, damaged } from './errors.ts';
import {
  FRAME_HEADER_BYTES,
  hasMarkBehind,
  markPayload,
  readFrame,
  readFrameClaim,
} from './frames.ts';

/** Longest owner header in bytes. */
export const OWNER_BYTES_MAX = 1024;

const MAGIC = utf8('WITANJNL');
/** Version of the files that this code writes; each has its own files in test/fixtures. */
export const SEGMENT_VERSION = 1;
const HEADER_FIXED_BYTES = 40;
const SECTOR_BYTES = 512;

/** What a segment says about itself. */
export interface SegmentHeader {
  readonly sequence: number;
  /** What the caller wrote into the segment about its writer; opaque here. */
  readonly owner: Uint8Array;
  /** CRC of the last frame of the segment before; 0 for the first. */
  readonly chain: number;
  /** Size of the file while it is written, in bytes. */
  readonly bytesPreallocated: number;
}

/** A header's length in the file: a multiple of 16. */
export function segmentHeaderBytes(ownerByteLength: number): number {
  return Math.ceil((HEADER_FIXED_BYTES + ownerByteLength + 8) / 16) * 16;
}

/** Encodes a header; `chain` is what its first frame is chained to. */
export function writeSegmentHeader(header: SegmentHeader): {
  readonly bytes: Uint8Array;
  readonly chain: number;
} {
  const bytes = new Uint8Array(segmentHeaderBytes(header.owner.byteLength));
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, SEGMENT_VERSION);
  view.setUint32(12, header.owner.byteLength);
  view.setBigUint64(16, BigInt(header.sequence));
  view.setBigUint64(24, BigInt(header.bytesPreallocated));
  view.setUint32(32, header.chain);
  bytes.set(header.owner, HEADER_FIXED_BYTES);
  const crcAt = bytes.byteLength - 8;
  const chain = crc32(bytes.subarray(0, crcAt), header.chain);
  view.setUint32(crcAt, chain);
  return { bytes, chain };
}

/** How a segment's frames end. */
export type SegmentEnd =
  /** With an end frame: nothing may follow, the next segment continues the chain. */
  | { readonly kind: 'ended' }
  /** Without one, but nothing follows. */
  | { readonly kind: 'open' }
  /** In a write that a crash cut off: whatever follows was never acknowledged. */
  | { readonly kind: 'torn'; readonly bytesDropped: number };

/** A segment that was read back. */
export interface SegmentContents {
  readonly header: SegmentHeader;
  readonly records: readonly Uint8Array[];
  /** Offset behind the last valid frame. */
  readonly offset: number;
  /** CRC of the last valid frame. */
  readonly chain: number;
  readonly end: SegmentEnd;
}

/**
 * Reads a whole segment.
 *
 * @param path names the file in errors
 * @throws JournalError JOURNAL_DAMAGED, JOURNAL_VERSION_UNKNOWN
 */
export function readSegment(path: string, bytes: Uint8Array, sequence: number): SegmentContents {
  const start = readSegmentHeader(path, bytes, sequence);
  const records: Uint8Array[] = [];
  let { offset, chain } = start;
  for (;;) {
    const frame = readFrame(bytes, offset, chain);
    if (frame === undefined) {
      const end = judgeEnd(path, bytes, offset, start.header);
      return { header: start.header, records, offset, chain, end };
    }
    if (frame.kind === 'record') records.push(frame.payload);
    // Bytes that check but say that they belong elsewhere: a misdirected write, or an old copy.
    else if (!bytesEqual(frame.payload, markPayload(sequence, offset))) {
      throw damaged(path, offset, 'place that the frame names');
    }
    offset = frame.end;
    chain = frame.crc;
    if (frame.kind === 'end') {
      if (!isAllZero(bytes.subarray(offset))) throw damaged(path, offset, 'bytes behind the end');
      return { header: start.header, records, offset, chain, end: { kind: 'ended' } };
    }
  }
}

function readSegmentHeader(
  path: string,
  bytes: Uint8Array,
  sequence: number,
): { readonly header: SegmentHeader; readonly offset: number; readonly chain: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < segmentHeaderBytes(0) || !MAGIC.every((byte, at) => bytes[at] === byte)) {
    throw damaged(path, 0, 'segment header');
  }
  const ownerBytes = view.getUint32(12);
  const headerBytes = segmentHeaderBytes(ownerBytes);
  const found = view.getUint32(8);
  if (found !== SEGMENT_VERSION) {
    const fields = { path, expected: SEGMENT_VERSION, found };
    const message = 'the journal has an unknown format version';
    throw new JournalError('JOURNAL_VERSION_UNKNOWN', message, { fields });
  }
  if (ownerBytes > OWNER_BYTES_MAX || headerBytes > bytes.byteLength) {
    throw damaged(path, 12, 'length of the owner');
  }
  const header: SegmentHeader = {
    sequence: Number(view.getBigUint64(16)),
    owner: Uint8Array.from(bytes.subarray(HEADER_FIXED_BYTES, HEADER_FIXED_BYTES + ownerBytes)),
    chain: view.getUint32(32),
    bytesPreallocated: Number(view.getBigUint64(24)),
  };
  const again = writeSegmentHeader(header);
  const same = again.bytes.every((byte, at) => bytes[at] === byte);
  if (!same || header.sequence !== sequence) throw damaged(path, 0, 'segment header');
  return { header, offset: headerBytes, chain: again.chain };
}

/** Why there is no valid frame at `offset`: nothing more was written, a crash, or damage. */
function judgeEnd(
  path: string,
  bytes: Uint8Array,
  offset: number,
  header: SegmentHeader,
): SegmentEnd {
  const rest = bytes.subarray(offset);
  if (isAllZero(rest)) return { kind: 'open' };
  if (hasMarkBehind(bytes, offset, header.sequence)) {
    throw damaged(path, offset, 'frame before data that was written after it was synced');
  }
  if (!looksTorn(bytes, offset, header.bytesPreallocated)) throw damaged(path, offset, 'frame');
  return { kind: 'torn', bytesDropped: rest.byteLength };
}

/**
 * Whether an interrupted write into zeros explains the bytes from `offset`: the file was cut off,
 * a sector within the frame is still zero, or everything from some byte of the frame on is. (A
 * damaged last frame whose payload holds a whole sector of zeros would be taken for torn; sealed
 * bytes do not.)
 */
function looksTorn(bytes: Uint8Array, offset: number, bytesPreallocated: number): boolean {
  const headerEnd = offset + FRAME_HEADER_BYTES;
  if (headerEnd > bytes.byteLength) return bytes.byteLength < bytesPreallocated;
  if (isAllZero(bytes.subarray(offset, headerEnd))) {
    return isAllZero(bytes.subarray(offset, nextSector(offset)));
  }
  const claim = readFrameClaim(bytes, offset);
  if (claim === undefined) return isAllZero(bytes.subarray(headerEnd));
  if (claim.end > bytes.byteLength) return bytes.byteLength < bytesPreallocated;
  for (let at = offset; at < claim.end; at = nextSector(at)) {
    if (isAllZero(bytes.subarray(at, Math.min(nextSector(at), claim.end)))) return true;
  }
  return isAllZero(bytes.subarray(claim.end - 1));
}

function nextSector(offset: number): number {
  return (Math.floor(offset / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}
