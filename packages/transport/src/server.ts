/**
 * The listening end: accepts TCP, runs TLS and the attestation exchange, and gives each accepted
 * connection its own gRPC server. Assumes that everything before the verdict comes from an
 * attacker: every connection is counted from its first packet and has one deadline for all steps.
 */
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import { assert, unreachable, type Clock } from '@witan/core';
import type {
  AttestedPeer,
  ChannelIdentity,
  ChannelProver,
  ChannelVerifier,
  ProvingRole,
  Role,
} from './channel.ts';
import { serverTlsOptions, tlsFailure } from './danger-tls.ts';
import { TransportError } from './errors.ts';
import type { OnTransportEvent, TransportEvent } from './events.ts';
import { asTransportError, exchange, type Admission } from './exchange.ts';
import { FrameSocket } from './frame-socket.ts';
import { canonicalEvidenceTypes } from './hello.ts';
import { SERVER_LIMITS, type ServerLimits } from './limits.ts';
import { EstablishedConnection } from './server-connection.ts';
import type { ServiceRegistration } from './services.ts';
import { verdictOf } from './verdict.ts';

/** Everything a server needs to know. */
export interface AttestedServerOptions<Claims> {
  readonly identity: ChannelIdentity;
  readonly prover: ChannelProver;
  /** A proving role without a verifier is refused. */
  readonly verifiers: Readonly<Partial<Record<ProvingRole, ChannelVerifier<Claims>>>>;
  /** For the end of verdicts: a connection ends when its peer's evidence no longer counts. */
  readonly clock: Clock;
  /** Whether peers of role client are served; default true. */
  readonly acceptClients?: boolean;
  /** Cluster to name in HELLO, 32 bytes; undefined while it belongs to none. */
  readonly helloClusterId: () => Uint8Array | undefined;
  /** Called once for each connection; what it leaves out is unknown to that peer. */
  readonly services: (peer: AttestedPeer<Claims>) => readonly ServiceRegistration<Claims>[];
  readonly limits?: Partial<ServerLimits>;
  readonly onEvent: OnTransportEvent;
}

/** An established incoming connection. */
export interface ServerConnection<Claims> {
  /** Unique in this server. */
  readonly id: number;
  readonly peer: AttestedPeer<Claims>;
  /** Milliseconds since 1970. */
  readonly establishedAtMs: number;
}

/** Where to listen; port 0 picks a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A server of attested connections. */
export interface AttestedServer<Claims> {
  /** @throws TransportError LISTEN_FAILED, SERVER_CLOSED */
  listen(address: ListenAddress): Promise<{ readonly port: number }>;
  connections(): readonly ServerConnection<Claims>[];
  /** Ends the matching connections at once. @returns how many */
  closeConnections(
    predicate: (connection: ServerConnection<Claims>) => boolean,
    reason: string,
  ): number;
  /**
   * Judges every proving peer again under the rules in force now, and ends the connections whose
   * evidence no longer passes. @returns how many were ended
   */
  reverifyConnections(): Promise<number>;
  /** Stops listening, lets running calls finish for `graceMs` (default 1000), then ends all. */
  close(graceMs?: number): Promise<void>;
}

/** A TCP connection from its first packet on. */
interface Attempt {
  readonly raw: Socket;
  readonly remoteAddress: string;
  readonly startedAtMs: number;
  readonly deadline: NodeJS.Timeout;
  frames: FrameSocket | undefined;
  failure: TransportError | undefined;
  state: 'handshake' | 'failed' | 'established';
}

const GRACE_MS = 1_000;
const LISTEN_BACKLOG = 511;

/**
 * Makes a server; it listens once `listen` is called.
 *
 * @throws TransportError IDENTITY_MISMATCH
 */
export function createAttestedServer<Claims>(
  options: AttestedServerOptions<Claims>,
): AttestedServer<Claims> {
  return new Listener(options);
}

class Listener<Claims> implements AttestedServer<Claims> {
  readonly #options: AttestedServerOptions<Claims>;
  readonly #limits: ServerLimits;
  readonly #judgeableTypes: readonly string[];
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  /** By the four numbers that name a TCP connection: TLS does not lead back to its socket. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #connections = new Set<EstablishedConnection<Claims>>();
  #handshakesInFlight = 0;
  #nextId = 1;
  #closed: Promise<void> | undefined;

  constructor(options: AttestedServerOptions<Claims>) {
    this.#options = options;
    this.#limits = { ...SERVER_LIMITS, ...options.limits };
    this.#judgeableTypes = canonicalEvidenceTypes(
      Object.values(options.verifiers).flatMap((verifier) => verifier.evidenceTypes ?? []),
    );
    this.#tls = createTlsServer(
      serverTlsOptions(options.identity, this.#limits.handshakeTimeoutMs),
    );
    // Look-ups of earlier sessions find nothing: there is no resumption.
    this.#tls.on('resumeSession', (_id, found) => found(null, undefined));
    this.#tls.on('secureConnection', (socket) => void this.#attest(socket));
    this.#tls.on('tlsClientError', (error, socket) => this.#tlsFailed(error, socket));
    this.#tcp = createTcpServer({ noDelay: true }, (raw) => this.#accept(raw));
  }

  listen({ host, port }: ListenAddress): Promise<{ readonly port: number }> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(new TransportError('SERVER_CLOSED', 'server was closed'));
        return;
      }
      const onError = (cause: unknown): void => {
        reject(new TransportError('LISTEN_FAILED', 'cannot listen', { host, port }, cause));
      };
      this.#tcp.once('error', onError);
      this.#tcp.listen({ host, port, backlog: LISTEN_BACKLOG }, () => {
        this.#tcp.off('error', onError);
        this.#tcp.on('error', (error) => this.#emit({ kind: 'listener-failed', error }));
        const address = this.#tcp.address();
        assert(address !== null && typeof address === 'object', 'a TCP server has a TCP address');
        resolve({ port: address.port });
      });
    });
  }

  connections(): readonly ServerConnection<Claims>[] {
    return [...this.#connections].map((connection) => connection.view);
  }

  closeConnections(
    predicate: (connection: ServerConnection<Claims>) => boolean,
    reason: string,
  ): number {
    const matching = [...this.#connections].filter((connection) => predicate(connection.view));
    for (const connection of matching) connection.close(reason);
    return matching.length;
  }

  async reverifyConnections(): Promise<number> {
    const all = [...this.#connections].map((connection) => connection.reverify());
    const stillGood = await Promise.all(all);
    return stillGood.filter((good) => !good).length;
  }

  close(graceMs: number = GRACE_MS): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const connection of this.#connections) connection.close('server closed');
      }, graceMs);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#tcp.close(done);
      for (const attempt of this.#attempts.values()) {
        if (attempt.state !== 'established') {
          this.#failAttempt(attempt, new TransportError('SERVER_CLOSED', 'server was closed'));
        }
      }
      for (const connection of this.#connections) connection.drain('server closed', graceMs);
    });
    return this.#closed;
  }

  #accept(raw: Socket): void {
    raw.on('error', () => undefined);
    const key = addressKey(raw);
    const remoteAddress = `${raw.remoteAddress}:${raw.remotePort}`;
    const refusal = this.#overLimit();
    if (key === undefined || refusal !== undefined) {
      raw.destroy();
      if (refusal !== undefined) {
        this.#emit({ kind: 'connection-dropped', remoteAddress, error: refusal });
      }
      return;
    }
    const timeoutMs = this.#limits.handshakeTimeoutMs;
    const attempt: Attempt = {
      raw,
      remoteAddress,
      startedAtMs: performance.now(),
      deadline: setTimeout(() => this.#failAttempt(attempt, tooSlow(timeoutMs)), timeoutMs),
      frames: undefined,
      failure: undefined,
      state: 'handshake',
    };
    this.#attempts.set(key, attempt);
    this.#handshakesInFlight += 1;
    raw.once('close', () => {
      this.#attempts.delete(key);
      clearTimeout(attempt.deadline);
      if (attempt.state !== 'established') this.#handshakesInFlight -= 1;
      this.#report(attempt, new TransportError('PEER_CLOSED', 'peer closed the connection'));
    });
    this.#tls.emit('connection', raw);
  }

  #overLimit(): TransportError | undefined {
    const { connectionsMax, handshakesInFlightMax } = this.#limits;
    if (this.#attempts.size >= connectionsMax) {
      return new TransportError('TOO_MANY_CONNECTIONS', 'too many connections', {
        expected: connectionsMax,
      });
    }
    if (this.#handshakesInFlight >= handshakesInFlightMax) {
      return new TransportError('TOO_MANY_HANDSHAKES', 'too many handshakes in flight', {
        expected: handshakesInFlightMax,
      });
    }
    return undefined;
  }

  #tlsFailed(cause: unknown, socket: TLSSocket): void {
    const attempt = this.#attemptOf(socket);
    if (attempt !== undefined) attempt.failure ??= tlsFailure(cause);
    socket.destroy();
  }

  #attemptOf(socket: TLSSocket): Attempt | undefined {
    const key = addressKey(socket);
    return key === undefined ? undefined : this.#attempts.get(key);
  }

  /** Ends an attempt from outside of its exchange. */
  #failAttempt(attempt: Attempt, error: TransportError): void {
    attempt.failure ??= error;
    attempt.frames?.fail(error);
    attempt.raw.destroy();
  }

  /** Tells the owner once why an attempt came to nothing. */
  #report(attempt: Attempt, otherwise: TransportError): void {
    if (attempt.state !== 'handshake') return;
    attempt.state = 'failed';
    const error = attempt.failure ?? otherwise;
    this.#emit({ kind: 'handshake-failed', remoteAddress: attempt.remoteAddress, error });
  }

  async #attest(socket: TLSSocket): Promise<void> {
    const attempt = this.#attemptOf(socket);
    if (attempt === undefined || attempt.failure !== undefined) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const frames = new FrameSocket(socket, this.#limits);
    attempt.frames = frames;
    try {
      const result = await exchange(socket, frames, {
        side: 'server',
        role: 'replica',
        identity: this.#options.identity,
        clock: this.#options.clock,
        prover: this.#options.prover,
        clusterId: this.#options.helloClusterId(),
        judgeableTypes: this.#judgeableTypes,
        admit: (role) => this.#admit(role),
      });
      this.#establish(attempt, socket, result);
    } catch (caught) {
      const error = attempt.failure ?? asTransportError(caught);
      attempt.failure = error;
      this.#report(attempt, error);
      frames.end(error, verdictOf(error.code));
    }
  }

  /** @throws TransportError ROLE_REFUSED, TOO_MANY_CONNECTIONS */
  #admit(role: Role): Admission<Claims> {
    switch (role) {
      case 'client':
        if (!(this.#options.acceptClients ?? true)) break;
        this.#refuseTooManyClients();
        return { kind: 'without-evidence' };
      case 'replica':
      case 'initializer': {
        const verifier = this.#options.verifiers[role];
        if (verifier !== undefined) return { kind: 'must-prove', role, verifier };
        break;
      }
      default:
        return unreachable(role);
    }
    throw new TransportError('ROLE_REFUSED', 'peers of this role are not served', { role });
  }

  /** Whoever needs no evidence is anybody, and must leave room for those who give some. */
  #refuseTooManyClients(): void {
    const expected = this.#limits.clientConnectionsMax;
    let clients = 0;
    for (const { view } of this.#connections) if (view.peer.role === 'client') clients += 1;
    if (clients < expected) return;
    throw new TransportError('TOO_MANY_CONNECTIONS', 'too many connections of clients', {
      expected,
    });
  }

  #establish(
    attempt: Attempt,
    socket: TLSSocket,
    result: Awaited<ReturnType<typeof exchange<Claims>>>,
  ): void {
    clearTimeout(attempt.deadline);
    const { remoteAddress } = attempt;
    const connection: EstablishedConnection<Claims> = new EstablishedConnection(
      this.#nextId,
      socket,
      remoteAddress,
      result,
      this.#limits.perRole[result.role],
      {
        services: this.#options.services,
        clock: this.#options.clock,
        onPrivateError: ({ peer }, method, error) => {
          const { role, spkiSha256 } = peer;
          this.#emit({ kind: 'call-failed', method, role, spkiSha256, error });
        },
        onEnded: (ended, reason) => {
          this.#connections.delete(ended);
          const { role, spkiSha256 } = ended.view.peer;
          this.#emit({ kind: 'connection-closed', remoteAddress, role, spkiSha256, reason });
        },
      },
    );
    this.#nextId += 1;
    this.#handshakesInFlight -= 1;
    attempt.state = 'established';
    this.#connections.add(connection);
    const handshakeMs = performance.now() - attempt.startedAtMs;
    const { role, spkiSha256 } = connection.view.peer;
    this.#emit({ kind: 'connection-established', remoteAddress, role, spkiSha256, handshakeMs });
  }

  #emit(event: TransportEvent): void {
    try {
      this.#options.onEvent(event);
    } catch {
      // Reporting must not break a channel.
    }
  }
}

function tooSlow(timeoutMs: number): TransportError {
  return new TransportError('HANDSHAKE_DEADLINE_EXCEEDED', 'handshake took too long', {
    timeoutMs,
  });
}

function addressKey(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return `${remoteAddress}|${remotePort}|${localAddress}|${localPort}`;
}
