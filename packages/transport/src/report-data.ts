/**
 * The 64 bytes that evidence signs. Channel evidence and any other evidence are hashed under
 * different labels, so that no other interface of a genuine machine can be made to sign what a
 * channel would accept.
 *
 * All parts have a fixed length, so two different sequences of parts never hash the same bytes.
 */
import { createHash } from 'node:crypto';
import { assert, utf8 } from '@witan/core';
import type { Role } from './channel.ts';

const CHANNEL_LABEL = utf8('witan/v1/attested-channel report data\0');
const STANDALONE_LABEL = utf8('witan/v1/standalone evidence report data\0');
const STANDALONE_LABEL_CHARS_MAX = 64;

/** Roles as single bytes on the wire and in report data. Never reused. */
export const ROLE_BYTES: Readonly<Record<Role, number>> = {
  replica: 1,
  initializer: 2,
  client: 3,
};

/** Which end of the TCP connection proves. */
export type Direction = 'client-proves' | 'server-proves';

const DIRECTION_BYTES: Readonly<Record<Direction, number>> = {
  'client-proves': 1,
  'server-proves': 2,
};

/** What binds evidence to one end of one connection. */
export interface ChannelReportDataParts {
  readonly proverRole: Role;
  readonly direction: Direction;
  /** 32 bytes of TLS exporter (RFC 8446 section 7.5) whose context is the hash of both HELLOs. */
  readonly exporter: Uint8Array;
  /** SHA-256 of the prover's DER SubjectPublicKeyInfo. */
  readonly proverSpkiSha256: Uint8Array;
  /** SHA-256 of the verifier's DER SubjectPublicKeyInfo. */
  readonly verifierSpkiSha256: Uint8Array;
  /** 32 bytes from the verifier's HELLO. */
  readonly verifierNonce: Uint8Array;
}

/**
 * Report data of one prover on one connection. The exporter stops relay and replay; both keys stop
 * unknown-key-share, because the exporter does not cover the client's certificate; role and
 * direction stop reflection; the nonce stops evidence made in advance.
 */
export function channelReportData(parts: ChannelReportDataParts): Uint8Array {
  const fixed = [
    parts.exporter,
    parts.proverSpkiSha256,
    parts.verifierSpkiSha256,
    parts.verifierNonce,
  ];
  for (const part of fixed) assert(part.byteLength === 32, 'parts of report data have 32 bytes');
  const head = Uint8Array.of(ROLE_BYTES[parts.proverRole], DIRECTION_BYTES[parts.direction]);
  return sha512(CHANNEL_LABEL, head, ...fixed);
}

/**
 * Report data for evidence outside of a channel, for example over a nonce that a caller chose.
 *
 * @param label what the evidence is for, constant, at most 64 characters
 * @param nonce the caller's bytes; hashed, so any length
 */
export function standaloneReportData(label: string, nonce: Uint8Array): Uint8Array {
  const labelFits = label.length > 0 && label.length <= STANDALONE_LABEL_CHARS_MAX;
  assert(labelFits, 'label of report data has 1 to 64 characters');
  return sha512(STANDALONE_LABEL, sha256(utf8(label)), sha256(nonce));
}

function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return Uint8Array.from(hash.digest());
}

/** SHA-256 of the parts one after the other. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return Uint8Array.from(hash.digest());
}
