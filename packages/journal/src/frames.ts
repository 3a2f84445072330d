/**
 * Frames: what follows a segment's header.
 *
 *     word u32 = kind << 28 | payload length | CRC of the word u32 | crc u32 | zero u32 |
 *     payload | 1 to 16 bytes 0xA5
 *
 * Each frame starts at a multiple of 16, so its header never spans two sectors, and ends in a byte
 * that is not zero, so a lost end shows. The word has a CRC of its own, so that its length can be
 * trusted while the rest does not check. The CRC-32 covers word, payload and padding and is seeded
 * with the previous frame's, which chains all frames of all segments.
 *
 * Every write starts with a mark, whose payload says its own place under a CRC of its own. It is
 * only written after everything before it was synced. So a mark found *behind* bytes that do not
 * check proves that those bytes were durable once: damage, not a torn write (compare the persist
 * records of "Protocol-Aware Recovery", FAST 2018).
 */
import { crc32 } from 'node:zlib';
import { bytesEqual, utf8 } from '@witan/core';

/** A caller's record, the start of a write, or the end of a segment. */
export type FrameKind = 'record' | 'mark' | 'end';

/** Largest record in bytes. */
export const RECORD_BYTES_MAX: number = 64 * 1024 * 1024;

/** Length of what stands before a frame's payload, in bytes. */
export const FRAME_HEADER_BYTES = 16;
const ALIGNMENT = 16;
const CRC_AT = 8;
const PADDING = 0xa5;
const LENGTH_LIMIT = 0x1000_0000;
const KIND_CODES: Readonly<Record<FrameKind, number>> = { record: 1, mark: 2, end: 3 };
const KINDS: readonly (FrameKind | undefined)[] = [undefined, 'record', 'mark', 'end'];

const MARK_MAGIC = utf8('WITANMRK');
const MARK_BYTES = 28;

/** Length of a whole frame for a payload of `byteLength` bytes. */
export function frameBytes(byteLength: number): number {
  return FRAME_HEADER_BYTES + (Math.floor(byteLength / ALIGNMENT) + 1) * ALIGNMENT;
}

/** Length of the frame of a mark or an end. */
export const MARK_FRAME_BYTES: number = frameBytes(MARK_BYTES);

/**
 * Writes a frame into `target`.
 *
 * @param chain the CRC of the frame before
 * @returns the CRC of this frame
 */
export function writeFrame(
  target: Uint8Array,
  offset: number,
  kind: FrameKind,
  payload: Uint8Array,
  chain: number,
): number {
  const end = offset + frameBytes(payload.byteLength);
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  view.setUint32(offset, KIND_CODES[kind] * LENGTH_LIMIT + payload.byteLength);
  target.set(payload, offset + FRAME_HEADER_BYTES);
  view.setUint32(offset + 4, crc32(target.subarray(offset, offset + 4)));
  target.fill(PADDING, offset + FRAME_HEADER_BYTES + payload.byteLength, end);
  const crc = frameCrc(target, offset, end, chain);
  view.setUint32(offset + CRC_AT, crc);
  return crc;
}

/** The payload of a mark or an end at a place in a segment. */
export function markPayload(sequence: number, offset: number): Uint8Array {
  const payload = new Uint8Array(MARK_BYTES);
  const view = new DataView(payload.buffer);
  payload.set(MARK_MAGIC);
  view.setBigUint64(8, BigInt(sequence));
  view.setBigUint64(16, BigInt(offset));
  view.setUint32(24, crc32(payload.subarray(0, 24)));
  return payload;
}

/** A frame whose CRC was right. */
export interface Frame {
  readonly kind: FrameKind;
  readonly payload: Uint8Array;
  readonly end: number;
  readonly crc: number;
}

/** The frame at `offset`, or undefined when the bytes there are not one. */
export function readFrame(bytes: Uint8Array, offset: number, chain: number): Frame | undefined {
  const claim = readFrameClaim(bytes, offset);
  if (claim === undefined || claim.end > bytes.byteLength) return undefined;
  const crc = frameCrc(bytes, offset, claim.end, chain);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(offset + CRC_AT) !== crc) return undefined;
  const payloadAt = offset + FRAME_HEADER_BYTES;
  const payload = bytes.subarray(payloadAt, payloadAt + claim.byteLength);
  return { kind: claim.kind, payload, end: claim.end, crc };
}

/** What a frame's header claims; its payload is unchecked. */
export interface FrameClaim {
  readonly kind: FrameKind;
  readonly byteLength: number;
  readonly end: number;
}

/** The claim at `offset`; undefined when there is no whole and valid header. */
export function readFrameClaim(bytes: Uint8Array, offset: number): FrameClaim | undefined {
  if (bytes.byteLength - offset < FRAME_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = view.getUint32(offset);
  const kind = KINDS[Math.floor(word / LENGTH_LIMIT)];
  const check = crc32(bytes.subarray(offset, offset + 4));
  const reserved = view.getUint32(offset + 12);
  if (kind === undefined || view.getUint32(offset + 4) !== check || reserved !== 0)
    return undefined;
  const byteLength = word % LENGTH_LIMIT;
  return { kind, byteLength, end: offset + frameBytes(byteLength) };
}

/** Whether a valid mark of this segment lies behind `offset`. */
export function hasMarkBehind(bytes: Uint8Array, offset: number, sequence: number): boolean {
  const start = offset + ALIGNMENT - (offset % ALIGNMENT);
  for (let at = start; at + FRAME_HEADER_BYTES + MARK_BYTES <= bytes.byteLength; at += ALIGNMENT) {
    const payloadAt = at + FRAME_HEADER_BYTES;
    if (bytes[payloadAt] !== MARK_MAGIC[0]) continue;
    const found = bytes.subarray(payloadAt, payloadAt + MARK_BYTES);
    if (bytesEqual(found, markPayload(sequence, at))) return true;
  }
  return false;
}

function frameCrc(bytes: Uint8Array, offset: number, end: number, chain: number): number {
  const word = crc32(bytes.subarray(offset, offset + 4), chain);
  return crc32(bytes.subarray(offset + FRAME_HEADER_BYTES, end), word);
}
