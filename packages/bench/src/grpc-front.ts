/**
 * A lean server of unary gRPC calls over HTTP/2 without TLS, on loopback, for the benchmark's own
 * client: of header blocks it reads literals and the static table's names, and ends a connection
 * that uses Huffman codes or a dynamic table.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import {
  END_HEADERS,
  END_STREAM,
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

/** Answers a call. A rejection becomes status 14, unavailable. */
export type UnaryHandler = (request: Uint8Array) => Promise<Uint8Array>;

const MESSAGE_HEADER_BYTES = 5;
const UNAVAILABLE = 14;
const UNIMPLEMENTED = 12;
/** `:status: 200` of HPACK's static table. */
const OK = Buffer.of(0x88);
const HEADERS = Buffer.concat([OK, literal('content-type', 'application/grpc')]);
const TRAILERS = literal('grpc-status', '0');

/** Serves on `port` of loopback until the returned function is called. */
export async function serveUnary(
  port: number,
  handlers: ReadonlyMap<string, UnaryHandler>,
): Promise<() => void> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    readPreface(socket, () => new Connection(socket, handlers));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return () => {
    server.close();
  };
}

function readPreface(socket: Socket, then: () => void): void {
  let rest = Buffer.alloc(0);
  const look = (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk]);
    if (rest.byteLength < PREFACE.byteLength) return;
    socket.off('data', look);
    if (!rest.subarray(0, PREFACE.byteLength).equals(PREFACE)) {
      socket.destroy();
      return;
    }
    then();
    socket.emit('data', rest.subarray(PREFACE.byteLength));
  };
  socket.on('data', look);
}

class Connection {
  readonly #frames: FrameSocket;
  readonly #handlers: ReadonlyMap<string, UnaryHandler>;
  /** Paths of header blocks that came before: a client repeats itself. */
  readonly #paths = new Map<string, string>();
  readonly #calls = new Map<number, { readonly path: string; message: Buffer | undefined }>();

  constructor(socket: Socket, handlers: ReadonlyMap<string, UnaryHandler>) {
    this.#handlers = handlers;
    this.#frames = new FrameSocket(socket, (frame) => {
      this.#take(frame);
    });
    this.#frames.write(openingFrames());
  }

  #take(frame: Frame): void {
    const { type, flags, stream } = frame;
    if (type === FRAME.headers) {
      if ((flags & END_HEADERS) === 0) throw new RangeError('header blocks are one frame here');
      this.#calls.set(stream, { path: this.#pathOf(contentOf(frame)), message: undefined });
    } else if (type === FRAME.data) {
      const call = this.#calls.get(stream);
      if (call === undefined) return;
      const part = contentOf(frame);
      call.message = call.message === undefined ? part : Buffer.concat([call.message, part]);
    } else if (type === FRAME.rstStream) this.#calls.delete(stream);
    if ((flags & END_STREAM) !== 0 && type <= FRAME.headers) this.#answer(stream);
  }

  #pathOf(block: Buffer): string {
    const key = block.toString('latin1');
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    const path = findPath(block);
    if (this.#paths.size < 16) this.#paths.set(key, path);
    return path;
  }

  #answer(stream: number): void {
    const call = this.#calls.get(stream);
    this.#calls.delete(stream);
    const handler = this.#handlers.get(call?.path ?? '');
    if (handler === undefined) {
      this.#refuse(stream, UNIMPLEMENTED);
      return;
    }
    const request = call?.message?.subarray(MESSAGE_HEADER_BYTES) ?? new Uint8Array(0);
    handler(request).then(
      (response) => {
        this.#frames.write(frameOf(FRAME.headers, END_HEADERS, stream, HEADERS));
        this.#frames.write(messageFrame(0, stream, response));
        this.#frames.write(frameOf(FRAME.headers, END_HEADERS + END_STREAM, stream, TRAILERS));
      },
      () => {
        this.#refuse(stream, UNAVAILABLE);
      },
    );
  }

  #refuse(stream: number, status: number): void {
    const block = Buffer.concat([HEADERS, literal('grpc-status', String(status))]);
    this.#frames.write(frameOf(FRAME.headers, END_HEADERS + END_STREAM, stream, block));
  }
}

/** @throws RangeError for what this server does not read */
function findPath(block: Buffer): string {
  let at = 0;
  const text = (): string => {
    const byteLength = block[at] ?? 0xff;
    if (byteLength >= 127) throw new RangeError('Huffman codes and long fields are not read here');
    at += 1 + byteLength;
    return block.toString('latin1', at - byteLength, at);
  };
  while (at < block.byteLength) {
    const first = block[at] ?? 0;
    at += 1;
    if (first >= 0x80) continue;
    if (first !== 0) throw new RangeError('of literals only those with a name are read here');
    const name = text();
    const value = text();
    if (name === ':path') return value;
  }
  throw new RangeError('a call names its path');
}
