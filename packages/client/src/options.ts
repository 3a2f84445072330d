/** What a client is made from. */
import type { ReferenceValues } from '@witan/attestation';
import type { EndorsementSource } from '@witan/attester';
import type { Clock, ClusterId, Crypto, Random } from '@witan/core';
import type { Floor, SeenRecovery, TreeHead } from '@witan/manifest';
import type { ChannelIdentity, ChannelProver } from '@witan/transport';
import type { ClientError } from './errors.ts';
import type { FloorStore } from './store/store.ts';

/** What is known of a deployment before the first answer. Whatever is absent is learnt and kept. */
export interface Expectations {
  readonly clusterId?: ClusterId;
  /** DER. */
  readonly rootCertificate?: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly historyPublicKey?: Uint8Array;
  /** Those before it, which owners have replaced; they vouch for what was signed then. */
  readonly formerHistoryKeys?: readonly Uint8Array[];
  /** Nothing below is accepted (I6). */
  readonly floor?: Floor;
  /** The newest full recovery that was seen; no other may have begun its epoch (I7). */
  readonly recovery?: SeenRecovery;
  /** The head of the audit log that was verified last. */
  readonly log?: TreeHead;
}

/** What a client is made from. */
export interface ClientOptions {
  /** `host:port` of any replicas or Services, at least one. Addresses carry no trust. */
  readonly endpoints: readonly string[];
  /** A Coordinator must meet one of these before anything is said to it. */
  readonly coordinators: readonly ReferenceValues[];
  readonly expected?: Expectations;
  /** Where a verified deployment and its floor are kept; absent: nowhere. */
  readonly store?: FloorStore;
  /** TLS key of this end; a fresh one where absent. */
  readonly identity?: ChannelIdentity;
  /** Makes this end an initializer, which must prove itself; absent: role client. */
  readonly prover?: ChannelProver;
  /** `refused`: no simulated TEE, whatever is listed (I11). Default `as-listed`. */
  readonly developmentRoots?: 'as-listed' | 'refused';
  /** For endorsements that a Coordinator's evidence does not bring; absent: only what it brings. */
  readonly endorsements?: EndorsementSource;
  /** For one operation with all its attempts. Default 30 s. */
  readonly timeoutMs?: number;
  /** For one connection, attestation included. Default 10 s; at most what is left of the above. */
  readonly connectTimeoutMs?: number;
  readonly clock?: Clock;
  readonly crypto?: Crypto;
  readonly random?: Random;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ClientEvent) => void;
}

/** What a person may want to watch. */
export type ClientEvent =
  | { readonly kind: 'attempt-failed'; readonly endpoint: string; readonly error: ClientError }
  | { readonly kind: 'connected'; readonly endpoint: string; readonly incarnation: string }
  /** The Coordinator's evidence is simulated: no hardware protects this cluster (I11). */
  | { readonly kind: 'simulated-tee'; readonly endpoint: string }
  | { readonly kind: 'waiting'; readonly delayMs: number };

export const TIMEOUT_MS_DEFAULT: number = 30_000;
export const CONNECT_TIMEOUT_MS_DEFAULT: number = 10_000;
/** Endpoints in one list. */
export const ENDPOINTS_MAX: number = 64;
/** Delay before the second round of attempts; doubles up to the maximum, with full jitter. */
export const BACKOFF_MS_MIN: number = 100;
export const BACKOFF_MS_MAX: number = 3_000;
