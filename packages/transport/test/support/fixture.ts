/** A server on loopback with everything that a test wants to change, and its events. */
import { PeerService, UserService } from '@witan/protocol';
import {
  connectAttested,
  createAttestedServer,
  serviceRegistration,
  type AttestedConnection,
  type AttestedServer,
  type AttestedServerOptions,
  type ChannelIdentity,
  type ConnectOptions,
  type Handlers,
  type Role,
  type TransportError,
  type TransportEvent,
} from '../../src/index.ts';
import { clock, prover, verifier, type Claims, type TestVerifier } from './hardware.ts';
import { makeIdentity } from './identity.ts';

export interface Fixture {
  readonly server: AttestedServer<Claims>;
  readonly address: string;
  readonly port: number;
  readonly identity: ChannelIdentity;
  readonly events: TransportEvent[];
  readonly verifiers: { replica: TestVerifier; initializer: TestVerifier };
  /** The error of the first failed handshake, now or later. */
  failure(): Promise<TransportError>;
  event<Kind extends TransportEvent['kind']>(
    kind: Kind,
    count?: number,
  ): Promise<Extract<TransportEvent, { kind: Kind }>>;
  connect(role?: Role, more?: Partial<ConnectOptions<Claims>>): Promise<AttestedConnection<Claims>>;
}

const open: { close(grace?: number): unknown }[] = [];

/** Ends everything that the tests of a file have opened. */
export async function closeAll(): Promise<void> {
  for (const one of open.splice(0)) await one.close(0);
}

export const userHandlers: Handlers<typeof UserService> = {
  setManifest: async ({ manifest }) => ({ rootCertificate: manifest }),
  getDeployment: async () => ({ epoch: 3n, clusterId: new Uint8Array(32).fill(7) }),
  getHistory: async () => ({}),
  getStatus: async (_request, { peer }) => ({ slot: peer.role, incarnation: peer.channelBinding }),
};

export const peerHandlers: Handlers<typeof PeerService> = {
  greet: async ({ standing }) => (standing === undefined ? {} : { standing }),
  deliverGenesis: async () => ({ accepted: true }),
  join: async () => ({}),
  exchange: async function* (requests) {
    for await (const _request of requests) yield {};
  },
  sendSnapshot: async function* (requests) {
    for await (const _request of requests) yield {};
  },
  execute: async () => ({}),
  confirmLog: async () => ({}),
  recover: async () => ({}),
  deliverReopening: async () => ({}),
  deliverSeed: async () => ({}),
};

export async function serve(change: Partial<AttestedServerOptions<Claims>> = {}): Promise<Fixture> {
  const identity = change.identity ?? makeIdentity();
  const events: TransportEvent[] = [];
  const verifiers = { replica: verifier(), initializer: verifier() };
  const server = createAttestedServer<Claims>({
    identity,
    prover: prover(),
    verifiers,
    helloClusterId: () => undefined,
    services: ({ role }) =>
      role === 'replica'
        ? [serviceRegistration(PeerService, peerHandlers)]
        : [serviceRegistration(UserService, userHandlers)],
    clock,
    onEvent: (event) => events.push(event),
    ...change,
  });
  open.push(server);
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const event: Fixture['event'] = async (kind, count = 1) => {
    for (let tries = 0; tries < 1_000; tries += 1) {
      const found = events.filter((one) => one.kind === kind)[count - 1];
      if (found !== undefined) return found as never;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`no ${kind} came; there were ${events.map((one) => one.kind).join()}`);
  };
  const address = `127.0.0.1:${port}`;
  return {
    server,
    address,
    port,
    identity,
    events,
    verifiers,
    event,
    failure: async () => (await event('handshake-failed')).error,
    connect: async (role = 'replica', more = {}) => {
      const connection = await connectAttested<Claims>({
        address,
        role,
        identity: makeIdentity(),
        verifier: verifier(),
        clock,
        timeoutMs: 5_000,
        ...(role === 'client' ? {} : { prover: prover() }),
        ...more,
      });
      open.push(connection as { close(): unknown });
      return connection;
    },
  };
}

/** The code of the TransportError that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as TransportError).code;
  }
  return 'NO_ERROR';
}
