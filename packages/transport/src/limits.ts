/** Limits on everything that a peer can make this end spend, with their units and defaults. */
import type { Role } from './channel.ts';

const MIB = 1024 * 1024;

/** Limits of one established connection. */
export interface ConnectionLimits {
  /** Largest message, either way. Hazard: a stream buffers up to 16 of them. */
  readonly messageBytesMax: number;
  /** Calls at once on one connection; counted on the server. */
  readonly concurrentCallsMax: number;
  /** A ping is sent after this long; 0 switches pings off. */
  readonly keepaliveIdleMs: number;
  /** The peer is given up when a ping is not answered for this long. */
  readonly keepaliveTimeoutMs: number;
}

/** Limits of a server. */
export interface ServerLimits {
  /** From the TCP connection to the peer's verdict. */
  readonly handshakeTimeoutMs: number;
  /** TCP connections at once, established or not. */
  readonly connectionsMax: number;
  /**
   * Connections at once of peers that gave no evidence. Bounds, with their limits per connection,
   * the memory that strangers can make this end use: connections x calls x message size.
   */
  readonly clientConnectionsMax: number;
  /** Connections at once that have not finished their handshake. At most `connectionsMax`. */
  readonly handshakesInFlightMax: number;
  /** Largest HELLO or VERDICT frame. */
  readonly helloBytesMax: number;
  /** Largest EVIDENCE frame. */
  readonly evidenceBytesMax: number;
  /** By the peer's role. */
  readonly perRole: Readonly<Record<Role, ConnectionLimits>>;
}

/** Limits of one outgoing connection. */
export interface ClientLimits extends ConnectionLimits {
  readonly helloBytesMax: number;
  readonly evidenceBytesMax: number;
}

/** Bytes of a peer's certificate, which the TLS library has parsed before we see it. */
export const CERTIFICATE_BYTES_MAX: number = 8 * 1024;

const REPLICA_CONNECTION: ConnectionLimits = {
  messageBytesMax: 64 * MIB,
  concurrentCallsMax: 256,
  keepaliveIdleMs: 2_000,
  keepaliveTimeoutMs: 2_000,
};

const OTHER_CONNECTION: ConnectionLimits = {
  messageBytesMax: 4 * MIB,
  concurrentCallsMax: 16,
  keepaliveIdleMs: 20_000,
  keepaliveTimeoutMs: 10_000,
};

const EXCHANGE = { helloBytesMax: 64 * 1024, evidenceBytesMax: MIB } as const;

/** Defaults of a server. */
export const SERVER_LIMITS: ServerLimits = {
  ...EXCHANGE,
  handshakeTimeoutMs: 10_000,
  connectionsMax: 4_096,
  clientConnectionsMax: 64,
  handshakesInFlightMax: 256,
  perRole: {
    replica: REPLICA_CONNECTION,
    initializer: OTHER_CONNECTION,
    client: { ...OTHER_CONNECTION, concurrentCallsMax: 4 },
  },
};

/** Defaults of an outgoing connection, by the role of this end. */
export function clientLimits(role: Role): ClientLimits {
  return { ...EXCHANGE, ...(role === 'replica' ? REPLICA_CONNECTION : OTHER_CONNECTION) };
}
