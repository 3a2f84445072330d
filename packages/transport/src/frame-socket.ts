/**
 * Frames over a TLS socket, with one place where everything that can go wrong ends up: whatever
 * fails first (the peer leaves, the deadline passes, a frame is bad) fails every pending step.
 *
 * Reads are pulled: while nobody waits for a frame, a peer can fill the socket's own buffer and no
 * more. Every write is awaited until its callback: a write still in flight when HTTP/2 takes the
 * socket over makes Node abort the whole process (`is_write_in_progress`), so a peer that does not
 * read can only run into the deadline, which destroys the socket.
 */
import type { TLSSocket } from 'node:tls';
import { TransportError } from './errors.ts';
import { FrameParser, encodeFrame, type Frame, type FrameLimits } from './frames.ts';
import { decodeVerdict, encodeVerdict, type Verdict } from './verdict.ts';

/** How long a refused peer has to read why. */
const LINGER_MS = 500;

export class FrameSocket {
  readonly limits: FrameLimits;
  readonly #socket: TLSSocket;
  readonly #parser: FrameParser;
  readonly #failed: PromiseWithResolvers<never> = Promise.withResolvers<never>();
  readonly #aborted = new AbortController();
  readonly #onReadable = (): void => this.#wake();
  readonly #onEnd = (): void => this.#peerClosed(undefined);
  readonly #onClose = (): void => this.#peerClosed(undefined);
  readonly #onError = (cause: unknown): void => this.#peerClosed(cause);
  #waiter: (() => void) | undefined;
  #failure: TransportError | undefined;

  constructor(socket: TLSSocket, limits: FrameLimits) {
    this.limits = limits;
    this.#socket = socket;
    this.#parser = new FrameParser(limits);
    this.#failed.promise.catch(() => undefined);
    socket.on('error', this.#onError);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('readable', this.#onReadable);
    if (socket.destroyed) this.#peerClosed(undefined);
  }

  /** Aborted when the exchange fails; for work that would then be in vain. */
  get signal(): AbortSignal {
    return this.#aborted.signal;
  }

  /** Fails every pending and later step; the first failure stays. */
  fail(error: TransportError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#aborted.abort();
    this.#failed.reject(error);
  }

  /** The value of a step, unless the exchange fails first. */
  guard<Value>(step: Promise<Value>): Promise<Value> {
    return Promise.race([step, this.#failed.promise]);
  }

  /** @throws TransportError what FrameParser throws, PEER_CLOSED, or the failure of the exchange */
  async read(): Promise<Frame> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const frame = this.#parser.next();
      if (frame !== undefined) return frame;
      if (this.#pull()) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiter = resolve;
      await this.guard(promise);
    }
  }

  /** Bytes that have come and that no frame has used. */
  pendingBytes(): number {
    this.#pull();
    return this.#parser.pendingBytes;
  }

  /** Settles when the bytes have left this process. */
  write(frame: Frame): Promise<void> {
    return this.guard(
      new Promise((resolve, reject) => {
        this.#socket.write(encodeFrame(frame), (error) => {
          if (error === undefined || error === null) resolve();
          else reject(new TransportError('PEER_CLOSED', 'connection broke', {}, error));
        });
      }),
    );
  }

  /** Gives the socket on, with the bytes that were read too far. */
  release(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#detach();
    const rest = this.#parser.takeRest();
    if (rest.byteLength > 0) this.#socket.unshift(rest);
  }

  /** Ends the connection, telling the peer why if there is anything to tell. */
  end(error: TransportError, verdict: Verdict | undefined): void {
    this.fail(error);
    const socket = this.#socket;
    this.#detach();
    socket.on('error', () => undefined);
    if (verdict === undefined || socket.destroyed || !socket.writable) {
      socket.destroy();
      return;
    }
    socket.end(encodeFrame({ type: 'verdict', payload: encodeVerdict(verdict) }));
    // Closing with unread bytes would reset the connection and might take the verdict with it.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  }

  #detach(): void {
    this.#socket.off('readable', this.#onReadable);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onClose);
    this.#socket.off('error', this.#onError);
  }

  /** Moves what the socket holds to the parser. @returns whether there was anything */
  #pull(): boolean {
    const chunk = this.#socket.read() as Uint8Array | null;
    if (chunk === null) return false;
    this.#parser.push(chunk);
    return true;
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.();
  }

  #peerClosed(cause: unknown): void {
    this.fail(
      this.#lastWords() ??
        new TransportError('PEER_CLOSED', 'peer closed the connection', {}, cause),
    );
  }

  /** A refusal that came with the end of the connection, before anybody read it. */
  #lastWords(): TransportError | undefined {
    try {
      for (let frame = this.#parser.next(); frame !== undefined; frame = this.#parser.next()) {
        if (frame.type === 'verdict') return refusalOf(frame);
      }
    } catch {
      // Garbage before the end: the end is what counts.
    }
    return undefined;
  }
}

/** The peer's refusal, unless the VERDICT accepts. @throws TransportError VERDICT_MALFORMED */
export function refusalOf(frame: Frame): TransportError | undefined {
  const verdict = decodeVerdict(frame.payload);
  if (verdict === 'accepted') return undefined;
  return new TransportError('PEER_REFUSED', 'peer refused this end', { verdict });
}
