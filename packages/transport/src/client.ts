/** The connecting end. */
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type {
  AttestedPeer,
  ChannelIdentity,
  ChannelProver,
  ChannelVerifier,
  CloseReason,
  Role,
} from './channel.ts';
import type { OnTransportEvent } from './events.ts';
import type { ClientLimits } from './limits.ts';

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
  /** Cluster to name in HELLO, 32 bytes. */
  readonly clusterId?: Uint8Array;
  /** For everything from name lookup to the peer's verdict. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly limits?: Partial<ClientLimits>;
  readonly onEvent?: OnTransportEvent;
}

/** Options of one call. */
export interface CallOptions {
  /** Sent to the server as the call's deadline; absent means none. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A method on which the client sends or receives a stream. */
export type StreamingMethod<Input extends DescMessage, Output extends DescMessage> =
  | DescMethodBiDiStreaming<Input, Output>
  | DescMethodClientStreaming<Input, Output>
  | DescMethodServerStreaming<Input, Output>;

/**
 * The responses of a running stream. Iterate it once; leaving the loop early cancels the call. A
 * failed call throws RemoteError or TransportError out of the loop.
 */
export interface ResponseStream<Message> extends AsyncIterable<Message> {
  cancel(): void;
}

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
export function connectAttested<Claims>(
  _options: ConnectOptions<Claims>,
): Promise<AttestedConnection<Claims>> {
  return Promise.reject(new Error('not yet'));
}
