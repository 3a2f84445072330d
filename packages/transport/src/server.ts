/** The listening end. */
import type {
  AttestedPeer,
  ChannelIdentity,
  ChannelProver,
  ChannelVerifier,
  ProvingRole,
} from './channel.ts';
import type { OnTransportEvent } from './events.ts';
import type { ServerLimits } from './limits.ts';
import type { ServiceRegistration } from './services.ts';

/** Everything a server needs to know. */
export interface AttestedServerOptions<Claims> {
  readonly identity: ChannelIdentity;
  readonly prover: ChannelProver;
  /** A role without a verifier is refused. */
  readonly verifiers: Readonly<Partial<Record<ProvingRole, ChannelVerifier<Claims>>>>;
  /** Whether peers of role client are served; default true. */
  readonly acceptClients?: boolean;
  /** Cluster to name in HELLO, 32 bytes; undefined while it belongs to none. */
  readonly helloClusterId: () => Uint8Array | undefined;
  /** Called once for each connection; none refuses the peer's calls, not the peer. */
  readonly services: (peer: AttestedPeer<Claims>) => readonly ServiceRegistration<Claims>[];
  readonly limits?: Partial<ServerLimits>;
  readonly onEvent: OnTransportEvent;
}

/** An established incoming connection. */
export interface ServerConnection<Claims> {
  readonly id: number;
  readonly peer: AttestedPeer<Claims>;
  readonly establishedAtMs: number;
}

/** A server of attested connections. */
export interface AttestedServer<Claims> {
  /** @throws TransportError LISTEN_FAILED; port 0 picks a free one */
  listen(address: {
    readonly host: string;
    readonly port: number;
  }): Promise<{ readonly port: number }>;
  connections(): readonly ServerConnection<Claims>[];
  /** Ends the matching connections at once. @returns how many */
  closeConnections(
    predicate: (connection: ServerConnection<Claims>) => boolean,
    reason: string,
  ): number;
  /** Judges every proving peer again under the rules in force now, and ends whose evidence no longer passes. @returns how many */
  reverifyConnections(): Promise<number>;
  /** Stops listening, lets calls finish for `graceMs` (default 1000), then ends everything. */
  close(graceMs?: number): Promise<void>;
}

/** Makes a server; it listens once `listen` is called. */
export function createAttestedServer<Claims>(
  _options: AttestedServerOptions<Claims>,
): AttestedServer<Claims> {
  throw new Error('not yet');
}
