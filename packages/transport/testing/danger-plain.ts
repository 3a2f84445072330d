/**
 * The package's calls and streams over plain TCP: no TLS, no evidence, nobody proves anything. It
 * lets a benchmark compare replication with a system that runs without TLS on loopback as well.
 * Development code only: nothing that is shipped can import it.
 */
import { Client, Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import type { AttestedPeer, CloseReason } from '../src/channel.ts';
import type { AttestedConnection } from '../src/client.ts';
import { callStream, callUnary, type CallChannel } from '../src/client-calls.ts';
import { addService } from '../src/grpc-service.ts';
import type { ServiceRegistration } from '../src/services.ts';

const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const CONNECT_MS = 3_000;

/** The parts of a connection that calls need. */
export type PlainConnection = Pick<
  AttestedConnection<unknown>,
  'unary' | 'stream' | 'closed' | 'close' | 'reverify'
> & { readonly peer: { readonly spkiSha256: string } };

const OPTIONS = {
  'grpc.enable_channelz': 0,
  'grpc.enable_retries': 0,
  // Else a stream without a response keeps a MiB of sent messages, each in a 64 KiB pool.
  'grpc.per_rpc_retry_buffer_size': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
} as const;

/** @param peer what the other end is said to be: nobody checks it */
export async function dangerConnectPlain(address: string, peer: string): Promise<PlainConnection> {
  const client = new Client(address, credentials.createInsecure(), OPTIONS);
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + CONNECT_MS, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  }).catch((error: unknown) => {
    client.close();
    throw error;
  });
  const closed = Promise.withResolvers<CloseReason>();
  let ended = false;
  const end = (): void => {
    ended = true;
    client.close();
    closed.resolve({ kind: 'lost' });
  };
  // READY is 2: once left, this connection is over, like an attested one.
  client.getChannel().watchConnectivityState(2, Infinity, end);
  const channel: CallChannel = {
    client,
    ended: () => ended,
    begin: () => () => undefined,
  };
  return {
    peer: { spkiSha256: peer },
    unary: (method, request, options = {}) => callUnary(channel, method, request, options),
    stream: (method, requests, options = {}) => callStream(channel, method, requests, options),
    reverify: () => Promise.resolve(true),
    close: end,
    closed: closed.promise,
  };
}

/**
 * Serves on loopback. Whoever calls is taken for `caller`'s answer.
 *
 * @param services made once: the sender is what its messages say
 * @returns the port, and a function that ends the server
 */
export async function dangerServePlain(
  port: number,
  peer: string,
  services: readonly ServiceRegistration[],
): Promise<{ readonly port: number; readonly close: () => void }> {
  const server = new Server(OPTIONS);
  const anybody: AttestedPeer<unknown> = {
    role: 'replica',
    spkiDer: new Uint8Array(0),
    spkiSha256: peer,
    channelBinding: new Uint8Array(32),
    remoteAddress: '127.0.0.1',
  };
  for (const registration of services) {
    addService(server, registration, { peer: anybody, onPrivateError: () => undefined });
  }
  const bound = await new Promise<number>((resolve, reject) => {
    const address = `127.0.0.1:${port}`;
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(boundPort);
      else reject(error);
    });
  });
  return { port: bound, close: () => server.forceShutdown() };
}
