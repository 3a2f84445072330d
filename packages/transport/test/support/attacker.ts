/**
 * An end of the channel that follows the protocol only as far as a test wants: raw TLS sockets,
 * frames by hand. It knows TLS keys where a test gives them to it, never the hardware's key.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  connect as connectTls,
  createServer as createTlsServer,
  type ConnectionOptions,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { ChannelIdentity, Role } from '../../src/index.ts';
import { CHANNEL_ALPN, clientTlsOptions, serverTlsOptions } from '../../src/danger-tls.ts';
import { FrameParser, encodeFrame, type Frame, type FrameType } from '../../src/frames.ts';
import { decodeHello, encodeHello, type Hello } from '../../src/hello.ts';
import { channelReportData, sha256, type Direction } from '../../src/report-data.ts';
import { encodeVerdict, type Verdict } from '../../src/verdict.ts';

const LOOSE = { helloBytesMax: 1 << 20, evidenceBytesMax: 1 << 24 };

export function helloOf(role: Role, more: Partial<Hello> = {}): Hello {
  const nonce = Uint8Array.from(randomBytes(32));
  return { role, nonce, clusterId: undefined, evidenceTypes: [], ...more };
}

export class RawEnd {
  readonly socket: TLSSocket;
  readonly #parser = new FrameParser(LOOSE);
  readonly #tcp: Socket | undefined;
  readonly ended: Promise<void>;

  constructor(socket: TLSSocket, tcp?: Socket) {
    this.socket = socket;
    this.#tcp = tcp;
    socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
  }

  /** Breaks the TCP connection with a RST. */
  reset(): void {
    this.#tcp?.resetAndDestroy();
  }

  /** Reads and throws away until the other end closes. */
  async drain(): Promise<void> {
    this.socket.resume();
    await this.ended;
  }

  send(type: FrameType, payload: Uint8Array): void {
    this.socket.write(encodeFrame({ type, payload }));
  }

  hello(hello: Hello): Frame {
    const frame: Frame = { type: 'hello', payload: encodeHello(hello) };
    this.send(frame.type, frame.payload);
    return frame;
  }

  verdict(verdict: Verdict): void {
    this.send('verdict', encodeVerdict(verdict));
  }

  /** The next frame, or undefined when the other end closes. */
  async read(): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#parser.next();
      if (frame !== undefined) return frame;
      const chunk = this.socket.read() as Uint8Array | null;
      if (chunk !== null) {
        this.#parser.push(chunk);
        continue;
      }
      if (this.socket.readableEnded || this.socket.destroyed) return undefined;
      await Promise.race([once(this.socket, 'readable').catch(() => undefined), this.ended]);
    }
  }

  async expect(type: FrameType): Promise<Frame> {
    const frame = await this.read();
    if (frame?.type !== type) throw new Error(`expected ${type}, got ${frame?.type}`);
    return frame;
  }

  /** What this end of this connection would have to prove. */
  reportData(options: {
    direction: Direction;
    role: Role;
    hellos: readonly [client: Frame, server: Frame];
    proverSpkiDer: Uint8Array;
    verifierSpkiDer: Uint8Array;
  }): Uint8Array {
    const context = Buffer.from(sha256(...options.hellos.map(encodeFrame)));
    const label = 'EXPERIMENTAL-witan-attested-channel-v1';
    const [client, server] = options.hellos;
    const verifierHello = options.direction === 'client-proves' ? server : client;
    return channelReportData({
      proverRole: options.role,
      direction: options.direction,
      exporter: Uint8Array.from(this.socket.exportKeyingMaterial(32, label, context)),
      proverSpkiSha256: sha256(options.proverSpkiDer),
      verifierSpkiSha256: sha256(options.verifierSpkiDer),
      verifierNonce: decodeHello(verifierHello.payload).nonce,
    });
  }
}

/** Connects with TLS and nothing more. */
export async function attackServer(
  port: number,
  identity: ChannelIdentity,
  change: ConnectionOptions = {},
): Promise<RawEnd> {
  const tcp = connectTcp(port, '127.0.0.1');
  tcp.on('error', () => undefined);
  await once(tcp, 'connect');
  const end = new RawEnd(connectTls({ ...clientTlsOptions(identity, tcp), ...change }), tcp);
  await once(end.socket, 'secureConnect');
  return end;
}

export interface RawServer {
  readonly port: number;
  readonly address: string;
  close(): Promise<void>;
}

/** Listens with TLS; the test plays the server for each connection. */
export async function attackClients(
  identity: ChannelIdentity,
  play: (end: RawEnd) => Promise<unknown>,
  change: TlsOptions = {},
): Promise<RawServer> {
  const ends = new Set<RawEnd>();
  const server = createTlsServer({ ...serverTlsOptions(identity, 5_000), ...change });
  server.on('tlsClientError', () => undefined);
  server.on('secureConnection', (socket) => {
    const end = new RawEnd(socket);
    ends.add(end);
    void play(end).catch(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    address: `127.0.0.1:${port}`,
    close: async () => {
      for (const end of ends) end.socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export { CHANNEL_ALPN };
