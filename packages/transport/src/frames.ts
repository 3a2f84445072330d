/**
 * Frames of the attestation exchange: type (1 byte), length of the payload (4 bytes, big-endian),
 * payload. Pure: bytes in, frames out. A frame above its limit is refused by its header alone, so a
 * peer can make this end hold at most one frame and one chunk of the socket.
 */
import { concatBytes } from '@witan/core';
import { TransportError } from './errors.ts';

export type FrameType = 'hello' | 'evidence' | 'verdict';

/** One frame of the exchange. */
export interface Frame {
  readonly type: FrameType;
  readonly payload: Uint8Array;
}

/** Largest payloads, in bytes. */
export interface FrameLimits {
  readonly helloBytesMax: number;
  readonly evidenceBytesMax: number;
}

const TYPE_BYTES: Readonly<Record<FrameType, number>> = { hello: 1, evidence: 2, verdict: 3 };
const TYPES: ReadonlyMap<number, FrameType> = new Map([
  [1, 'hello'],
  [2, 'evidence'],
  [3, 'verdict'],
]);
const HEADER_BYTES = 5;
const VERDICT_BYTES = 1;

/** Bytes of a whole VERDICT frame. */
export const VERDICT_FRAME_BYTES: number = HEADER_BYTES + VERDICT_BYTES;

/** The frame as it goes over the wire. */
export function encodeFrame(frame: Frame): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, TYPE_BYTES[frame.type]);
  view.setUint32(1, frame.payload.byteLength);
  return concatBytes(header, frame.payload);
}

/** Cuts a byte stream into frames. */
export class FrameParser {
  readonly #limits: FrameLimits;
  #buffer: Uint8Array = new Uint8Array(1024);
  #length = 0;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Bytes that no frame has used yet. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** Takes bytes as they come from the socket. */
  push(chunk: Uint8Array): void {
    const needed = this.#length + chunk.byteLength;
    if (needed > this.#buffer.byteLength) {
      // Doubling keeps a peer that sends single bytes from costing a copy of the rest for each.
      const grown = new Uint8Array(Math.max(needed, this.#buffer.byteLength * 2));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }

  /**
   * The next whole frame, or undefined while there is none.
   *
   * @throws TransportError FRAME_TYPE_UNKNOWN, FRAME_TOO_LARGE as soon as the header is there
   */
  next(): Frame | undefined {
    if (this.#length === 0) return undefined;
    const typeByte = this.#buffer[0] ?? 0;
    const type = TYPES.get(typeByte);
    if (type === undefined) {
      throw new TransportError('FRAME_TYPE_UNKNOWN', 'frame has an unknown type', {
        found: typeByte,
      });
    }
    if (this.#length < HEADER_BYTES) return undefined;
    const payloadBytes = new DataView(this.#buffer.buffer).getUint32(1);
    const payloadBytesMax = this.#payloadBytesMax(type);
    if (payloadBytes > payloadBytesMax) {
      throw new TransportError('FRAME_TOO_LARGE', 'frame is above its limit', {
        type,
        expected: payloadBytesMax,
        found: payloadBytes,
      });
    }
    const frameBytes = HEADER_BYTES + payloadBytes;
    if (this.#length < frameBytes) return undefined;
    const payload = this.#buffer.slice(HEADER_BYTES, frameBytes);
    this.#buffer.copyWithin(0, frameBytes, this.#length);
    this.#length -= frameBytes;
    return { type, payload };
  }

  /** Takes out whatever lies behind the last frame. */
  takeRest(): Uint8Array {
    const rest = this.#buffer.slice(0, this.#length);
    this.#length = 0;
    return rest;
  }

  #payloadBytesMax(type: FrameType): number {
    if (type === 'evidence') return this.#limits.evidenceBytesMax;
    return type === 'hello' ? this.#limits.helloBytesMax : VERDICT_BYTES;
  }
}
