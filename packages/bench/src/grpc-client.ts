/**
 * A light client for unary gRPC calls over HTTP/2 without TLS, used for both systems alike. A call
 * that is answered by a message has succeeded; one that ends without has failed, and its status is
 * not looked at (gRPC over HTTP/2: an error of a unary call is answered by trailers only).
 */
import { connect, type Socket } from 'node:net';
import {
  END_HEADERS,
  END_STREAM,
  FIRST_WINDOW,
  FRAME,
  FrameSocket,
  PREFACE,
  contentOf,
  frameOf,
  literal,
  messageFrame,
  openingFrames,
  type Frame,
} from './h2-frames.ts';

/** Why a call was not answered by a message. */
export class CallFailed extends Error {}

interface Call {
  readonly resolve: (message: Uint8Array) => void;
  readonly reject: (error: CallFailed) => void;
  readonly timer: NodeJS.Timeout;
  message: Buffer | undefined;
}

/** Indexed in HPACK's static table: POST and http. */
const METHOD_AND_SCHEME = Buffer.of(0x83, 0x86);
const FRAME_OVERHEAD = 9;
const MESSAGE_HEADER_BYTES = 5;

/** Several connections to one server, used in turn. */
export class GrpcClient {
  readonly #connections: Connection[];
  #next = 0;

  /** @param address host:port */
  constructor(address: string, connections = 1) {
    this.#connections = Array.from({ length: connections }, () => new Connection(address));
  }

  /** @throws CallFailed */
  call(path: string, request: Uint8Array, timeoutMs = 10_000): Promise<Uint8Array> {
    const connection = this.#connections[this.#next % this.#connections.length];
    this.#next += 1;
    return connection === undefined
      ? Promise.reject(new CallFailed('no connection'))
      : connection.call(path, request, timeoutMs);
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

class Connection {
  readonly #socket: Socket;
  readonly #frames: FrameSocket;
  readonly #authority: string;
  readonly #blocks = new Map<string, Buffer>();
  readonly #calls = new Map<number, Call>();
  /** Frames that wait for room in the server's window, with what they take of it. */
  readonly #waiting: { readonly bytes: Buffer; readonly size: number }[] = [];
  #window = FIRST_WINDOW;
  #nextStream = 1;
  #isOver = false;

  constructor(address: string) {
    this.#authority = address;
    const [host = '', port = ''] = address.split(':');
    this.#socket = connect({ host, port: Number(port), noDelay: true });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.#end();
    });
    this.#frames = new FrameSocket(this.#socket, (frame) => {
      this.#take(frame);
    });
    this.#frames.write(Buffer.concat([PREFACE, openingFrames()]));
  }

  call(path: string, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#isOver) return Promise.reject(new CallFailed('the connection has ended'));
    const stream = this.#nextStream;
    this.#nextStream += 2;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#finish(stream, 'no answer in time');
      }, timeoutMs);
      this.#calls.set(stream, { resolve, reject, timer, message: undefined });
      const headers = frameOf(FRAME.headers, END_HEADERS, stream, this.#block(path));
      const data = messageFrame(END_STREAM, stream, request);
      this.#waiting.push({
        bytes: Buffer.concat([headers, data]),
        size: data.byteLength - FRAME_OVERHEAD,
      });
      this.#send();
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  #send(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next.size > this.#window) return;
      this.#window -= next.size;
      this.#waiting.shift();
      this.#frames.write(next.bytes);
    }
  }

  #block(path: string): Buffer {
    const known = this.#blocks.get(path);
    if (known !== undefined) return known;
    const block = Buffer.concat([
      METHOD_AND_SCHEME,
      literal(':path', path),
      literal(':authority', this.#authority),
      literal('content-type', 'application/grpc'),
      literal('te', 'trailers'),
    ]);
    this.#blocks.set(path, block);
    return block;
  }

  #take(frame: Frame): void {
    const { type, flags, stream, payload } = frame;
    if (type === FRAME.windowUpdate && stream === 0) {
      this.#window += payload.readUInt32BE(0);
      this.#send();
    } else if (type === FRAME.goAway) this.#socket.destroy();
    else if (type === FRAME.rstStream) this.#finish(stream, 'the call was reset');
    else if (type === FRAME.data) {
      const call = this.#calls.get(stream);
      const part = contentOf(frame);
      if (call === undefined || part.byteLength === 0) return;
      call.message = call.message === undefined ? part : Buffer.concat([call.message, part]);
    } else if (type === FRAME.headers && (flags & END_STREAM) !== 0)
      this.#finish(stream, 'refused');
  }

  #finish(stream: number, otherwise: string): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    clearTimeout(call.timer);
    const { message } = call;
    if (message === undefined) call.reject(new CallFailed(otherwise));
    else call.resolve(message.subarray(MESSAGE_HEADER_BYTES));
  }

  #end(): void {
    this.#isOver = true;
    for (const stream of this.#calls.keys()) this.#finish(stream, 'the connection has ended');
  }
}
