/**
 * Snapshot files, `snapshot-<first segment>.snap`: the newest one replaces everything in segments
 * before its first one.
 *
 * magic 8 | version u32 | owner length u32 | log index u64 | log term u64 | first segment u64 |
 * chain u32 | number of tail records u32 | data length u32 | zero u32 | owner |
 * tail records (length u32, bytes) | data | crc u32 over everything before
 */
import { crc32 } from 'node:zlib';
import { concatBytes, utf8 } from '@witan/core';
import { JournalError, damaged } from './errors.ts';
import { OWNER_BYTES_MAX, SEGMENT_VERSION } from './segment.ts';

/** Largest snapshot data, in bytes. */
export const SNAPSHOT_BYTES_MAX: number = 1024 * 1024 * 1024;

/** Most records behind a snapshot. */
export const TAIL_RECORDS_MAX = 1_000_000;

const MAGIC = utf8('WITANSNP');
const HEADER_BYTES = 56;
const CRC_BYTES = 4;

/** What a snapshot file says about itself. */
export interface SnapshotHeader {
  /** Label given by the caller: the last log entry that the data contains. */
  readonly index: number;
  readonly term: number;
  /** Opaque words of the caller about the writer. */
  readonly owner: Uint8Array;
  /** The first segment whose records are not in the snapshot or its tail. */
  readonly firstSegment: number;
  /** What that segment's header continues. */
  readonly chain: number;
}

/** A snapshot file. */
export interface SnapshotContents {
  readonly header: SnapshotHeader;
  /** Records behind `index` that were appended before the first segment. */
  readonly tail: readonly Uint8Array[];
  readonly data: Uint8Array;
}

/** Encodes a snapshot in parts, so that the data is not copied; to be written one by one. */
export function writeSnapshotParts(contents: SnapshotContents): readonly Uint8Array[] {
  const { header, tail, data } = contents;
  const start = new Uint8Array(HEADER_BYTES);
  const view = new DataView(start.buffer);
  start.set(MAGIC);
  view.setUint32(8, SEGMENT_VERSION);
  view.setUint32(12, header.owner.byteLength);
  view.setBigUint64(16, BigInt(header.index));
  view.setBigUint64(24, BigInt(header.term));
  view.setBigUint64(32, BigInt(header.firstSegment));
  view.setUint32(40, header.chain);
  view.setUint32(44, tail.length);
  view.setUint32(48, data.byteLength);
  const tailParts = tail.flatMap((record) => [u32(record.byteLength), record]);
  const body = [concatBytes(start, header.owner, ...tailParts), data];
  const crc = body.reduce((value, part) => crc32(part, value), 0);
  return [...body, u32(crc)];
}

/**
 * Reads a snapshot file.
 *
 * @param path names the file in errors
 * @throws JournalError JOURNAL_DAMAGED, JOURNAL_VERSION_UNKNOWN
 */
export function readSnapshot(
  path: string,
  bytes: Uint8Array,
  firstSegment: number,
): SnapshotContents {
  if (bytes.byteLength < HEADER_BYTES + CRC_BYTES) throw damaged(path, 0, 'snapshot length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!MAGIC.every((byte, at) => bytes[at] === byte)) throw damaged(path, 0, 'snapshot header');
  const found = view.getUint32(8);
  if (found !== SEGMENT_VERSION) {
    const fields = { path, expected: SEGMENT_VERSION, found };
    const message = 'the journal has an unknown format version';
    throw new JournalError('JOURNAL_VERSION_UNKNOWN', message, { fields });
  }
  const crcAt = bytes.byteLength - CRC_BYTES;
  if (crc32(bytes.subarray(0, crcAt)) !== view.getUint32(crcAt)) {
    throw damaged(path, 0, 'snapshot checksum');
  }
  const contents = readBody(bytes, view, crcAt);
  if (contents === undefined || contents.header.firstSegment !== firstSegment) {
    throw damaged(path, 0, 'snapshot structure');
  }
  return contents;
}

/** The CRC was right, so this only fails for a file that no version of this code has written. */
function readBody(bytes: Uint8Array, view: DataView, end: number): SnapshotContents | undefined {
  const ownerBytes = view.getUint32(12);
  const tailCount = view.getUint32(44);
  const dataBytes = view.getUint32(48);
  let offset = HEADER_BYTES + ownerBytes;
  if (ownerBytes > OWNER_BYTES_MAX || tailCount > TAIL_RECORDS_MAX) return undefined;
  const tail: Uint8Array[] = [];
  for (let i = 0; i < tailCount; i += 1) {
    if (offset + 4 > end) return undefined;
    const byteLength = view.getUint32(offset);
    if (offset + 4 + byteLength > end) return undefined;
    tail.push(bytes.subarray(offset + 4, offset + 4 + byteLength));
    offset += 4 + byteLength;
  }
  if (offset + dataBytes !== end) return undefined;
  const header: SnapshotHeader = {
    index: Number(view.getBigUint64(16)),
    term: Number(view.getBigUint64(24)),
    owner: Uint8Array.from(bytes.subarray(HEADER_BYTES, HEADER_BYTES + ownerBytes)),
    firstSegment: Number(view.getBigUint64(32)),
    chain: view.getUint32(40),
  };
  return { header, tail, data: bytes.subarray(offset, end) };
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
