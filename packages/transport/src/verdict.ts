/**
 * VERDICT: one byte. The peer learns no more than which kind of refusal it met; what exactly was
 * found goes to the local log.
 */
import { TransportError, type TransportErrorCode } from './errors.ts';

export type Verdict =
  | 'accepted'
  | 'evidence-refused'
  | 'role-refused'
  | 'version-unsupported'
  | 'protocol-violated'
  | 'evidence-type-unaccepted'
  | 'unavailable';

const BY_BYTE: readonly Verdict[] = [
  'accepted',
  'evidence-refused',
  'role-refused',
  'version-unsupported',
  'protocol-violated',
  'evidence-type-unaccepted',
  'unavailable',
];

/** Payload of a VERDICT frame. */
export function encodeVerdict(verdict: Verdict): Uint8Array {
  return Uint8Array.of(BY_BYTE.indexOf(verdict));
}

/** @throws TransportError VERDICT_MALFORMED */
export function decodeVerdict(payload: Uint8Array): Verdict {
  const verdict = payload.byteLength === 1 ? BY_BYTE[payload[0] ?? 0xff] : undefined;
  if (verdict === undefined) {
    throw new TransportError('VERDICT_MALFORMED', 'VERDICT is malformed', {
      length: payload.byteLength,
      found: payload[0] ?? null,
    });
  }
  return verdict;
}

const VERDICT_OF: Readonly<Partial<Record<TransportErrorCode, Verdict>>> = {
  EVIDENCE_REFUSED: 'evidence-refused',
  ROLE_REFUSED: 'role-refused',
  HELLO_VERSION_UNSUPPORTED: 'version-unsupported',
  HELLO_MALFORMED: 'protocol-violated',
  FRAME_TOO_LARGE: 'protocol-violated',
  FRAME_TYPE_UNKNOWN: 'protocol-violated',
  FRAME_UNEXPECTED: 'protocol-violated',
  VERDICT_MALFORMED: 'protocol-violated',
  APPLICATION_DATA_EARLY: 'protocol-violated',
  TLS_PROTOCOL_REFUSED: 'protocol-violated',
  TLS_SESSION_REUSED: 'protocol-violated',
  TLS_VERSION_REFUSED: 'protocol-violated',
  PEER_CERTIFICATE_MISSING: 'protocol-violated',
  PEER_CERTIFICATE_REFUSED: 'protocol-violated',
  PEER_IS_SELF: 'protocol-violated',
  EVIDENCE_TYPE_UNACCEPTED: 'evidence-type-unaccepted',
  EVIDENCE_UNAVAILABLE: 'unavailable',
  VERIFIER_FAILED: 'unavailable',
  TOO_MANY_CONNECTIONS: 'unavailable',
};

/** What to tell the peer about a failure; undefined where there is nobody to tell. */
export function verdictOf(code: TransportErrorCode): Verdict | undefined {
  return VERDICT_OF[code];
}
