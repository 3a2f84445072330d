/**
 * The network between Coordinators, played by this process: a relay in front of each slot that can
 * be pointed at another process, or cut. It carries bytes and understands none of them.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';

/** One slot's address, and where it leads now. */
export class Relay {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #target: number;
  #isCut = false;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
  }

  /** Listens on a port of loopback and forwards to another. */
  static async listen(port: number, target: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server, target);
    server.on('connection', (socket) => {
      relay.#forward(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return relay;
  }

  /** Leads to another port from now on; what was open ends. */
  point(target: number): void {
    this.#target = target;
    this.#endAll();
  }

  /** Nothing passes any more, and nothing new connects. */
  cut(): void {
    this.#isCut = true;
    this.#endAll();
  }

  /** Passes again. */
  heal(): void {
    this.#isCut = false;
  }

  close(): void {
    this.#server.close();
    this.#endAll();
  }

  #forward(inward: Socket): void {
    if (this.#isCut) {
      inward.destroy();
      return;
    }
    const outward = connect(this.#target, '127.0.0.1');
    for (const socket of [inward, outward]) {
      socket.setNoDelay(true);
      this.#open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        this.#open.delete(socket);
        inward.destroy();
        outward.destroy();
      });
    }
    inward.pipe(outward);
    outward.pipe(inward);
  }

  #endAll(): void {
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
  }
}
