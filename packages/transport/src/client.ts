/** The connecting end: one attested connection, used until it ends. */
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { connectivityState as State } from '@grpc/grpc-js';
import { assert, type Clock } from '@witan/core';
import { resolveTargets } from './address.ts';
import { untilAborted } from './abortable.ts';
import type {
  AttestedPeer,
  ChannelIdentity,
  ChannelProver,
  ChannelVerifier,
  CloseReason,
  Role,
} from './channel.ts';
import {
  callStream,
  callUnary,
  type CallChannel,
  type CallOptions,
  type ResponseStream,
} from './client-calls.ts';
import { clientContext } from './danger-tls.ts';
import { dial, type Dialled } from './dial.ts';
import { TransportError } from './errors.ts';
import type { OnTransportEvent, TransportEvent } from './events.ts';
import { asTransportError, type Admission, type ExchangeParty } from './exchange.ts';
import { canonicalEvidenceTypes } from './hello.ts';
import { clientLimits, type ClientLimits } from './limits.ts';
import { Trust } from './trust.ts';

/** Everything an outgoing connection needs to know. */
export interface ConnectOptions<Claims> {
  /** `host:port`; IPv6 addresses in brackets. */
  readonly address: string;
  /** What this end is. */
  readonly role: Role;
  readonly identity: ChannelIdentity;
  /** Needed for replica and initializer, absent for client. */
  readonly prover?: ChannelProver;
  /** Judges the server, which is always a replica. */
  readonly verifier: ChannelVerifier<Claims>;
  /** For the end of verdicts: a connection ends when its peer's evidence no longer counts. */
  readonly clock: Clock;
  /** Cluster to name in HELLO, 32 bytes. */
  readonly clusterId?: Uint8Array;
  /** For everything from name lookup to the peer's verdict. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly limits?: Partial<ClientLimits>;
  readonly onEvent?: OnTransportEvent;
}

/** A method on which the client sends or receives a stream. */
export type StreamingMethod<Input extends DescMessage, Output extends DescMessage> =
  | DescMethodBiDiStreaming<Input, Output>
  | DescMethodClientStreaming<Input, Output>
  | DescMethodServerStreaming<Input, Output>;

/** An established outgoing connection. It is used until it ends and never reconnects by itself. */
export interface AttestedConnection<Claims> {
  readonly peer: AttestedPeer<Claims>;
  /** @throws RemoteError what the server answered; TransportError what went wrong in between */
  unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    options?: CallOptions,
  ): Promise<MessageShape<Output>>;
  /**
   * Starts at once. Requests are pulled as fast as the peer takes them. For a method with one
   * request, give an iterable of one.
   *
   * @throws TransportError CONNECTION_CLOSED
   */
  stream<Input extends DescMessage, Output extends DescMessage>(
    method: StreamingMethod<Input, Output>,
    requests: AsyncIterable<MessageInitShape<Input>>,
    options?: CallOptions,
  ): ResponseStream<MessageShape<Output>>;
  /** Judges the peer again under the rules in force now; ends the connection when it fails. */
  reverify(): Promise<boolean>;
  /** Settles once, when the connection has ended; never rejects. */
  readonly closed: Promise<CloseReason>;
  /** Ends the connection at once; running calls fail. */
  close(reason?: string): void;
}

/**
 * Connects, proves and verifies.
 *
 * @throws TransportError with the code of the step that failed
 */
export async function connectAttested<Claims>(
  options: ConnectOptions<Claims>,
): Promise<AttestedConnection<Claims>> {
  const { role, prover, timeoutMs } = options;
  assert((role === 'client') === (prover === undefined), 'every role but client has a prover');
  clientContext(options.identity);
  const startedAtMs = performance.now();
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(tooSlow(timeoutMs)), timeoutMs);
  const onAbort = (): void => {
    abort.abort(new TransportError('CONNECT_ABORTED', 'connecting was aborted here'));
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted === true) onAbort();
  try {
    const dialled = await dialAny(options, abort.signal);
    return new Connection(dialled, options, performance.now() - startedAtMs);
  } catch (caught) {
    const error = asTransportError(caught);
    emit(options, { kind: 'handshake-failed', remoteAddress: options.address, error });
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

/** Tries the addresses behind a name one after the other, as long as they cannot be reached. */
async function dialAny<Claims>(
  options: ConnectOptions<Claims>,
  signal: AbortSignal,
): Promise<Dialled<Claims>> {
  const reason = (): TransportError => asTransportError(signal.reason);
  const targets = await untilAborted(resolveTargets(options.address), signal, reason);
  const limits = { ...clientLimits(options.role), ...options.limits };
  const party = partyOf(options);
  let last = new TransportError('ADDRESS_UNRESOLVED', 'name has no address');
  for (const target of targets) {
    try {
      return await dial({ target, party, limits, signal });
    } catch (error) {
      if (!(error instanceof TransportError) || error.code !== 'CONNECT_FAILED') throw error;
      last = error;
    }
  }
  throw last;
}

function partyOf<Claims>(options: ConnectOptions<Claims>): ExchangeParty<Claims> {
  const { role, identity, clock, prover, clusterId, verifier } = options;
  return {
    side: 'client',
    role,
    identity,
    clock,
    prover,
    clusterId,
    judgeableTypes: canonicalEvidenceTypes(verifier.evidenceTypes ?? []),
    admit: (peerRole): Admission<Claims> => {
      if (peerRole === 'replica') return { kind: 'must-prove', role: peerRole, verifier };
      throw new TransportError('ROLE_REFUSED', 'a server must be a replica', { role: peerRole });
    },
  };
}

class Connection<Claims> implements AttestedConnection<Claims> {
  readonly closed: Promise<CloseReason>;
  readonly #dialled: Dialled<Claims>;
  readonly #trust: Trust<Claims>;
  #reason: CloseReason = { kind: 'lost' };
  #ended = false;
  #callsRunning = 0;

  constructor(dialled: Dialled<Claims>, options: ConnectOptions<Claims>, handshakeMs: number) {
    this.#dialled = dialled;
    const { socket, client, remoteAddress, result } = dialled;
    this.#trust = new Trust(result, remoteAddress, options.clock, (reason) => this.close(reason));
    const about = { remoteAddress, role: result.role, spkiSha256: this.peer.spkiSha256 };
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    const onClose = (): void => {
      this.#ended = true;
      this.#trust.stop();
      client.close();
      resolve(this.#reason);
      emit(options, { kind: 'connection-closed', ...about, reason: this.#reason });
    };
    emit(options, { kind: 'connection-established', ...about, handshakeMs });
    if (socket.closed) {
      onClose();
      return;
    }
    socket.once('close', onClose);
    client.getChannel().watchConnectivityState(State.READY, Infinity, () => this.#leave());
  }

  get peer(): AttestedPeer<Claims> {
    return this.#trust.peer;
  }

  async unary<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    options: CallOptions = {},
  ): Promise<MessageShape<Output>> {
    return await callUnary(this.#channel(), method, request, options);
  }

  stream<Input extends DescMessage, Output extends DescMessage>(
    method: StreamingMethod<Input, Output>,
    requests: AsyncIterable<MessageInitShape<Input>>,
    options: CallOptions = {},
  ): ResponseStream<MessageShape<Output>> {
    return callStream(this.#channel(), method, requests, options);
  }

  reverify(): Promise<boolean> {
    return this.#trust.reverify();
  }

  close(reason: string = 'closed'): void {
    if (this.#reason.kind === 'lost') this.#reason = { kind: 'closed-here', reason };
    this.#ended = true;
    this.#trust.stop();
    this.#dialled.client.close();
    this.#dialled.socket.destroy();
  }

  #channel(): CallChannel {
    if (this.#ended) throw new TransportError('CONNECTION_CLOSED', 'connection has ended');
    return {
      client: this.#dialled.client,
      ended: () => this.#ended,
      begin: () => {
        this.#callsRunning += 1;
        return () => {
          this.#callsRunning -= 1;
          if (this.#ended) this.#leave();
        };
      },
    };
  }

  /**
   * The server is going away, or grpc-js has given it up (it answers no ping). Running calls may
   * finish; a next one would make grpc-js connect anew, so there is none. grpc-js only half-closes
   * the socket of a silent peer, which would then stay for as long as TCP retransmits.
   */
  #leave(): void {
    this.#ended = true;
    if (this.#callsRunning === 0) this.#dialled.socket.destroy();
  }
}

function tooSlow(timeoutMs: number): TransportError {
  return new TransportError('HANDSHAKE_DEADLINE_EXCEEDED', 'handshake took too long', {
    timeoutMs,
  });
}

function emit<Claims>(options: ConnectOptions<Claims>, event: TransportEvent): void {
  try {
    options.onEvent?.(event);
  } catch {
    // Reporting must not break a channel.
  }
}
