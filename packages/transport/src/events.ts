/**
 * What a channel reports to its owner. The transport itself never logs; the composition root turns
 * these into log lines and metrics.
 */
import type { CloseReason, Role } from './channel.ts';
import type { TransportError } from './errors.ts';

/** Something that happened on a channel. */
export type TransportEvent =
  /** A TCP connection was dropped before TLS because a limit was reached. */
  | {
      readonly kind: 'connection-dropped';
      readonly remoteAddress: string;
      readonly error: TransportError;
    }
  /** TLS or the attestation exchange failed; details are for the local log only. */
  | {
      readonly kind: 'handshake-failed';
      readonly remoteAddress: string;
      readonly error: TransportError;
    }
  | {
      readonly kind: 'connection-established';
      readonly remoteAddress: string;
      readonly role: Role;
      readonly spkiSha256: string;
      readonly handshakeMs: number;
    }
  | {
      readonly kind: 'connection-closed';
      readonly remoteAddress: string;
      readonly role: Role;
      readonly spkiSha256: string;
      readonly reason: CloseReason;
    }
  /** A handler threw something that is not for the caller's eyes. */
  | {
      readonly kind: 'call-failed';
      readonly method: string;
      readonly role: Role;
      readonly spkiSha256: string;
      readonly error: unknown;
    }
  /** The listening socket failed after it was bound. */
  | { readonly kind: 'listener-failed'; readonly error: unknown };

/** Receives events. What it throws is swallowed: reporting must not break a channel. */
export type OnTransportEvent = (event: TransportEvent) => void;
