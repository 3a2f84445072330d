/**
 * The words of the attested channel: who talks, how evidence is made and judged, what is known of a
 * peer afterwards. Evidence is opaque here: what it means is the verifier's business.
 */
import type { Secret } from '@witan/core';

/**
 * What an end is. Replicas and initializers must prove themselves by evidence; a client (the CLI)
 * gives none, its user proves itself by signatures.
 */
export type Role = 'replica' | 'initializer' | 'client';

/** Roles that must give evidence. */
export type ProvingRole = Exclude<Role, 'client'>;

/** An end's own TLS identity: a fresh P-256 key made in memory and a self-signed certificate. */
export interface ChannelIdentity {
  /** PKCS #8, PEM. */
  readonly privateKeyPem: Secret | string;
  readonly certificatePem: string;
  /** DER SubjectPublicKeyInfo of the same key. */
  readonly spkiDer: Uint8Array;
}

/** Makes evidence over 64 bytes of report data; bytes are opaque to the channel. */
export interface ChannelProver {
  /** @param signal aborted when the handshake has ended without use for the evidence */
  prove(reportData: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  /** What this end can give: 1 to 8 names of lower-case letters, digits and hyphens. */
  readonly evidenceTypes: readonly string[];
}

/** What a verifier is asked. */
export interface VerificationRequest {
  readonly evidence: Uint8Array;
  /** 64 bytes that the evidence must carry. */
  readonly expectedReportData: Uint8Array;
  readonly role: Role;
  /** The peer's TLS key, DER SubjectPublicKeyInfo. */
  readonly spkiDer: Uint8Array;
  /** Cluster that the peer says it belongs to; its word only. */
  readonly clusterId?: Uint8Array;
}

/** A verifier's answer. `code` and `detail` go to the local log only. */
export type Verification<Claims> =
  | { readonly ok: true; readonly claims: Claims; readonly validUntilMs: number }
  | { readonly ok: false; readonly code: string; readonly detail: string };

/** Judges the peer's evidence under the rules in force now. */
export interface ChannelVerifier<Claims> {
  verify(request: VerificationRequest): Promise<Verification<Claims>>;
  /** Evidence types it can judge; absent means that none is announced and any may come. */
  readonly evidenceTypes?: readonly string[];
}

/** The other end of an established channel. */
export interface AttestedPeer<Claims> {
  readonly role: Role;
  /** DER SubjectPublicKeyInfo of its TLS key. */
  readonly spkiDer: Uint8Array;
  /** SHA-256 of `spkiDer`, lower-case hex; for a replica its incarnation id. */
  readonly spkiSha256: string;
  /** Absent for role client. */
  readonly claims?: Claims;
  /** Kept so that the peer can be judged again when the rules change; absent for role client. */
  readonly evidence?: Uint8Array;
  readonly expectedReportData?: Uint8Array;
  /** End of the verdict, milliseconds since 1970; absent for role client. */
  readonly validUntilMs?: number;
  /** Cluster that the peer says it belongs to; its word only. */
  readonly clusterId?: Uint8Array;
  /**
   * 32 bytes that only the two ends of this connection share and that are equal on both; for proofs
   * of possession over this channel.
   */
  readonly channelBinding: Uint8Array;
  /** `host:port` of the TCP connection. */
  readonly remoteAddress: string;
}

/** Why an established connection ended. */
export type CloseReason =
  { readonly kind: 'closed-here'; readonly reason: string } | { readonly kind: 'lost' };
