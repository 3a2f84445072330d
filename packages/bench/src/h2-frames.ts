/**
 * As much of HTTP/2 (RFC 9113) as unary gRPC calls with small messages need, so that neither end of
 * the benchmark spends the cores on something that is not measured. Header blocks are written once
 * and repeated: literals without indexing, no Huffman code, no dynamic table (RFC 7541).
 */
import type { Socket } from 'node:net';

/** Frame types that matter here (RFC 9113, section 6). */
export const FRAME = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY = 0x20;

/** What a client says first. */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const HEADER_BYTES = 9;
/** Largest frame of a peer that was told nothing else. */
const PAYLOAD_BYTES_MAX = 16_384;
const WINDOW_MAX = 0x7fff_ffff;
/** The connection's window at its beginning, both ways. */
export const FIRST_WINDOW = 65_535;
const SETTING = { headerTableSize: 1, enablePush: 2, initialWindowSize: 4 } as const;

/** One frame. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The bytes of a frame. */
export function frameOf(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.byteLength);
  bytes.writeUIntBE(payload.byteLength, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** A gRPC message in a DATA frame: a byte of flags and four of length before it. */
export function messageFrame(flags: number, stream: number, message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + 5 + message.byteLength);
  bytes.writeUIntBE(5 + message.byteLength, 0, 3);
  bytes[3] = FRAME.data;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes[HEADER_BYTES] = 0;
  bytes.writeUInt32BE(message.byteLength, HEADER_BYTES + 1);
  bytes.set(message, HEADER_BYTES + 5);
  return bytes;
}

/** SETTINGS and a window for the connection that never ends in a benchmark's lifetime. */
export function openingFrames(): Buffer {
  const settings = [
    [SETTING.headerTableSize, 0],
    [SETTING.enablePush, 0],
    [SETTING.initialWindowSize, WINDOW_MAX],
  ] as const;
  const payload = Buffer.alloc(6 * settings.length);
  settings.forEach(([id, value], at) => {
    payload.writeUInt16BE(id, 6 * at);
    payload.writeUInt32BE(value, 6 * at + 2);
  });
  return Buffer.concat([
    frameOf(FRAME.settings, 0, 0, payload),
    windowUpdate(WINDOW_MAX - FIRST_WINDOW),
  ]);
}

/** Gives the peer room for so many more bytes on the connection. */
export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frameOf(FRAME.windowUpdate, 0, 0, payload);
}

/** A header field as a literal that enters no table. */
export function literal(name: string, value: string): Buffer {
  const field = (text: string): Buffer => {
    if (text.length >= 127) throw new RangeError('a header field of the benchmark is short');
    return Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]);
  };
  return Buffer.concat([Buffer.of(0), field(name), field(value)]);
}

/** A connection's frames: reads them one by one, and joins what is written in one turn. */
export class FrameSocket {
  readonly #socket: Socket;
  #rest: Buffer | undefined;
  #out: Buffer[] = [];
  #received = 0;

  /** @param onFrame called for DATA, HEADERS, RST_STREAM, GOAWAY and WINDOW_UPDATE */
  constructor(socket: Socket, onFrame: (frame: Frame) => void) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#read(chunk, onFrame);
      } catch {
        socket.destroy();
      }
    });
  }

  /** Written with everything else of this turn. */
  write(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#out.length > 1) return;
    setImmediate(() => {
      const all = this.#out;
      this.#out = [];
      if (this.#socket.destroyed) return;
      this.#socket.write(all.length === 1 && all[0] !== undefined ? all[0] : Buffer.concat(all));
    });
  }

  #read(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + HEADER_BYTES <= bytes.byteLength) {
      const byteLength = bytes.readUIntBE(at, 3);
      if (byteLength > PAYLOAD_BYTES_MAX) throw new RangeError('a frame is too large');
      const end = at + HEADER_BYTES + byteLength;
      if (end > bytes.byteLength) break;
      this.#take(
        {
          type: bytes[at + 3] ?? 0,
          flags: bytes[at + 4] ?? 0,
          stream: bytes.readUInt32BE(at + 5) & WINDOW_MAX,
          payload: bytes.subarray(at + HEADER_BYTES, end),
        },
        onFrame,
      );
      at = end;
    }
    this.#rest = at === bytes.byteLength ? undefined : bytes.subarray(at);
  }

  #take(frame: Frame, onFrame: (frame: Frame) => void): void {
    const isAnswer = (frame.flags & ACK) !== 0;
    if (frame.type === FRAME.settings) {
      if (!isAnswer) this.write(frameOf(FRAME.settings, ACK, 0, Buffer.alloc(0)));
      return;
    }
    if (frame.type === FRAME.ping) {
      if (!isAnswer) this.write(frameOf(FRAME.ping, ACK, 0, Buffer.from(frame.payload)));
      return;
    }
    if (frame.type === FRAME.data) this.#giveRoom(frame.payload.byteLength);
    onFrame(frame);
  }

  #giveRoom(bytes: number): void {
    this.#received += bytes;
    if (this.#received < FIRST_WINDOW / 2) return;
    this.write(windowUpdate(this.#received));
    this.#received = 0;
  }
}

/** The content of a DATA or HEADERS frame without padding and priority. */
export function contentOf({ flags, payload, type }: Frame): Buffer {
  let start = 0;
  let end = payload.byteLength;
  if ((flags & PADDED) !== 0) {
    end -= payload[0] ?? 0;
    start += 1;
  }
  if (type === FRAME.headers && (flags & PRIORITY) !== 0) start += 5;
  return payload.subarray(start, end);
}
