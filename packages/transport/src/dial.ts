/**
 * One attempt to reach one target: TCP by grpc-js, then TLS and the exchange here, then HTTP/2 by
 * grpc-js again. Ends with a ready gRPC client over an attested socket, or with the first error.
 */
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Client, connectivityState as State } from '@grpc/grpc-js';
import { untilAborted } from './abortable.ts';
import { AttestingCredentials } from './client-credentials.ts';
import { clientTlsOptions, tlsFailure } from './danger-tls.ts';
import { TransportError } from './errors.ts';
import { asTransportError, exchange, type ExchangeParty, type ExchangeResult } from './exchange.ts';
import { FrameSocket } from './frame-socket.ts';
import type { ClientLimits } from './limits.ts';
import { verdictOf } from './verdict.ts';

/** Long enough to be never; grpc-js doubles it, and a Node timer holds no more than 2^31-1 ms. */
const NEVER_MS = 7 * 24 * 3_600_000;

/** What one attempt needs. */
export interface DialOptions<Claims> {
  /** In the syntax of grpc-js, with an IP address. */
  readonly target: string;
  readonly party: ExchangeParty<Claims>;
  readonly limits: ClientLimits;
  /** Aborted with a TransportError as reason when the attempt shall end. */
  readonly signal: AbortSignal;
}

/** A ready client with its socket. */
export interface Dialled<Claims> {
  readonly client: Client;
  readonly socket: TLSSocket;
  readonly remoteAddress: string;
  readonly result: ExchangeResult<Claims>;
}

/** @throws TransportError */
export async function dial<Claims>(options: DialOptions<Claims>): Promise<Dialled<Claims>> {
  const { signal, target } = options;
  let attested: Omit<Dialled<Claims>, 'client'> | undefined;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const attest = async (tcp: Socket): Promise<Socket> => {
    const remoteAddress = `${tcp.remoteAddress}:${tcp.remotePort}`;
    const socket = connectTls(clientTlsOptions(options.party.identity, tcp));
    // grpc-js takes its own listener off again; an error must never be without one.
    socket.on('error', () => undefined);
    try {
      const result = await runExchange(socket, options);
      attested = { socket, remoteAddress, result };
      return socket;
    } catch (error) {
      failed.reject(error);
      // grpc-js destroys the TCP socket on rejection, and with it the last words to the peer.
      await untilClosed(socket);
      throw error;
    }
  };
  const client = new Client(
    target,
    new AttestingCredentials(attest),
    channelOptions(options.limits),
  );
  try {
    const ready = untilReady(client, target);
    await untilAborted(Promise.race([ready, failed.promise]), signal, () => reasonOf(signal));
    if (attested === undefined) throw connectFailed(target);
    return { client, ...attested };
  } catch (error) {
    client.close();
    attested?.socket.destroy();
    throw error;
  }
}

async function runExchange<Claims>(
  socket: TLSSocket,
  { party, limits, signal }: DialOptions<Claims>,
): Promise<ExchangeResult<Claims>> {
  const abortTls = (): void => void socket.destroy();
  signal.addEventListener('abort', abortTls, { once: true });
  try {
    await untilAborted(untilSecure(socket), signal, () => reasonOf(signal));
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abortTls);
  }
  const frames = new FrameSocket(socket, limits);
  const abortExchange = (): void => frames.fail(reasonOf(signal));
  signal.addEventListener('abort', abortExchange, { once: true });
  if (signal.aborted) abortExchange();
  try {
    return await exchange(socket, frames, party);
  } catch (caught) {
    const error = asTransportError(caught);
    frames.end(error, verdictOf(error.code));
    throw error;
  } finally {
    signal.removeEventListener('abort', abortExchange);
  }
}

function untilSecure(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', (cause) => reject(tlsFailure(cause)));
    socket.once('close', () => {
      reject(new TransportError('PEER_CLOSED', 'peer closed the connection'));
    });
  });
}

function untilClosed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** Settles when HTTP/2 is up, or when grpc-js gives up on its only address. */
function untilReady(client: Client, target: string): Promise<void> {
  const channel = client.getChannel();
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const state = channel.getConnectivityState(true);
      if (state === State.READY) resolve();
      else if (state === State.TRANSIENT_FAILURE || state === State.SHUTDOWN) {
        reject(connectFailed(target));
      } else channel.watchConnectivityState(state, Infinity, look);
    };
    look();
  });
}

function connectFailed(target: string): TransportError {
  return new TransportError('CONNECT_FAILED', 'cannot connect', { target });
}

function reasonOf(signal: AbortSignal): TransportError {
  return asTransportError(signal.reason);
}

function channelOptions(limits: ClientLimits): Record<string, number | string> {
  const options: Record<string, number | string> = {
    'grpc.default_authority': 'witan',
    'grpc.enable_channelz': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    // Else a stream without a response keeps a MiB of sent messages, each in a 64 KiB pool.
    'grpc.per_rpc_retry_buffer_size': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    // An attested connection is used until it ends; the owner decides about the next one.
    'grpc.initial_reconnect_backoff_ms': NEVER_MS,
    'grpc.max_reconnect_backoff_ms': NEVER_MS,
    'grpc.client_idle_timeout_ms': NEVER_MS,
    'grpc.max_receive_message_length': limits.messageBytesMax,
    'grpc.max_send_message_length': limits.messageBytesMax,
  };
  if (limits.keepaliveIdleMs > 0) {
    options['grpc.keepalive_time_ms'] = limits.keepaliveIdleMs;
    options['grpc.keepalive_timeout_ms'] = limits.keepaliveTimeoutMs;
    options['grpc.keepalive_permit_without_calls'] = 1;
  }
  return options;
}
