/**
 * Two workloads that talk over one mutual TLS connection for as long as a drill takes, with nothing
 * but the files that their initializers wrote. A Coordinator's trouble must not reach them (I8).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';

const PING_MS = 100;
const CONNECT_MS = 10_000;

interface Credentials {
  readonly key: Buffer;
  readonly cert: Buffer;
  readonly ca: Buffer;
}

async function credentialsIn(directory: string): Promise<Credentials> {
  const [key, cert, ca] = await Promise.all(
    (['key.pem', 'cert.pem', 'ca.pem'] as const).map((name) => readFile(join(directory, name))),
  );
  if (key === undefined || cert === undefined || ca === undefined) throw new Error('three files');
  return { key, cert, ca };
}

/** A serving workload, and one that holds a connection to it. */
export class MeshPair {
  readonly #server: Server;
  readonly #serverName: string;
  readonly #port: number;
  #held: TLSSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Messages that came back. */
  messages = 0;
  /** Whether the connection that is held was never interrupted. */
  survived = false;

  private constructor(server: Server, serverName: string, port: number) {
    this.#server = server;
    this.#serverName = serverName;
    this.#port = port;
  }

  /** @param serverName a DNS name in the serving workload's certificate */
  static async open(serving: string, calling: string, serverName: string): Promise<MeshPair> {
    const server = createServer({
      ...(await credentialsIn(serving)),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const pair = new MeshPair(server, serverName, port);
    await pair.#hold(calling);
    return pair;
  }

  /** Whether somebody with these credentials can open a new connection and is answered. */
  async accepts(calling: string): Promise<boolean> {
    const socket = await this.#connect(calling).catch(() => undefined);
    if (socket === undefined) return false;
    const answered = await new Promise<boolean>((resolve) => {
      socket.once('data', () => {
        resolve(true);
      });
      socket.once('close', () => {
        resolve(false);
      });
      socket.write('hello\n');
    });
    socket.destroy();
    return answered;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#held?.removeAllListeners('close');
    this.#held?.destroy();
    this.#server.close();
  }

  async #hold(calling: string): Promise<void> {
    const socket = await this.#connect(calling);
    this.#held = socket;
    this.survived = true;
    socket.on('data', (chunk: Buffer) => {
      this.messages += chunk.toString().split('\n').length - 1;
    });
    socket.on('close', () => {
      this.survived = false;
    });
    this.#timer = setInterval(() => {
      socket.write('still there\n');
    }, PING_MS).unref();
  }

  async #connect(calling: string): Promise<TLSSocket> {
    const socket = connect({
      ...(await credentialsIn(calling)),
      host: '127.0.0.1',
      port: this.#port,
      servername: this.#serverName,
      minVersion: 'TLSv1.3',
    });
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error('no answer in time')));
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    socket.on('error', () => socket.destroy());
    return socket;
  }
}
