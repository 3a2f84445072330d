/**
 * The errors of this package. The code says what was found wrong and so whom to ask; what was
 * expected and found is in the fields. Text from the other end is its word only and kept apart
 * (`remoteCode`).
 */
import { CodedError, type ErrorFields } from '@witan/core';

/** Closed list of what can go wrong; errors.json explains each. */
export type ClientErrorCode =
  | 'CLIENT_ENDPOINTS_INVALID'
  | 'CLIENT_UNREACHABLE'
  | 'CLIENT_ABORTED'
  | 'CLIENT_COORDINATOR_REFUSED'
  | 'CLIENT_EVIDENCE_REFUSED'
  | 'CLIENT_CONFLICT'
  | 'CLIENT_REQUEST_REFUSED'
  | 'CLIENT_NO_MANIFEST'
  | 'CLIENT_ANSWER_MALFORMED'
  | 'CLIENT_ANSWER_INCONSISTENT'
  | 'CLIENT_MARK_INVALID'
  | 'CLIENT_BELOW_FLOOR'
  | 'CLIENT_HISTORY_FORKED'
  | 'CLIENT_LOG_INCONSISTENT'
  | 'CLIENT_OTHER_CLUSTER'
  | 'CLIENT_PIN_MISMATCH'
  | 'CLIENT_SEED_LINK_UNCHECKED'
  | 'CLIENT_MANIFEST_INVALID'
  | 'CLIENT_COORDINATOR_UNLISTED'
  | 'CLIENT_TRANSITION_INVALID'
  | 'CLIENT_HISTORY_INVALID'
  | 'CLIENT_CERTIFICATE_INVALID'
  | 'CLIENT_STORE_FAILED'
  | 'CLIENT_STORE_DAMAGED';

const MESSAGES: Readonly<Record<ClientErrorCode, string>> = {
  CLIENT_ENDPOINTS_INVALID: 'endpoints are not a list of host:port',
  CLIENT_UNREACHABLE: 'no Coordinator gave an answer in time',
  CLIENT_ABORTED: 'operation was aborted here',
  CLIENT_COORDINATOR_REFUSED: 'Coordinator did not prove that it is a trusted one',
  CLIENT_EVIDENCE_REFUSED: 'Coordinator refused the evidence of this end',
  CLIENT_CONFLICT: 'change builds on a transition that is not the newest',
  CLIENT_REQUEST_REFUSED: 'Coordinator refused the request',
  CLIENT_NO_MANIFEST: 'cluster has no manifest yet',
  CLIENT_ANSWER_MALFORMED: 'answer of the Coordinator cannot be read',
  CLIENT_ANSWER_INCONSISTENT: 'parts of the answer contradict each other',
  CLIENT_MARK_INVALID: 'high-water mark of the answer is missing or not signed by the cluster',
  CLIENT_BELOW_FLOOR: 'answer is older than what was seen before',
  CLIENT_HISTORY_FORKED: 'history differs from what was seen before',
  CLIENT_LOG_INCONSISTENT: 'audit log is no continuation of the one seen before',
  CLIENT_OTHER_CLUSTER: 'answer comes from another cluster',
  CLIENT_PIN_MISMATCH: 'trust anchor differs from the pinned one',
  CLIENT_SEED_LINK_UNCHECKED: 'link to a later history key cannot be checked',
  CLIENT_MANIFEST_INVALID: 'manifest of the answer cannot be read',
  CLIENT_COORDINATOR_UNLISTED: 'manifest in force does not list the Coordinator that answered',
  CLIENT_TRANSITION_INVALID: 'transition does not record the change that was asked for',
  CLIENT_HISTORY_INVALID: 'history is not one unbroken, signed chain',
  CLIENT_CERTIFICATE_INVALID: 'certificate is not the one that was to be expected',
  CLIENT_STORE_FAILED: 'stored deployments cannot be read or written',
  CLIENT_STORE_DAMAGED: 'stored deployment is damaged',
};

/** What the client refuses, or cannot do. */
export class ClientError extends CodedError<ClientErrorCode> {
  constructor(code: ClientErrorCode, fields: ErrorFields = {}, cause?: unknown) {
    super(code, MESSAGES[code], { fields, cause });
  }
}

/** Codes that mean "what was shown must not be trusted", and not "it did not work". */
const REFUSALS: ReadonlySet<ClientErrorCode> = new Set<ClientErrorCode>([
  'CLIENT_COORDINATOR_REFUSED',
  'CLIENT_ANSWER_INCONSISTENT',
  'CLIENT_MARK_INVALID',
  'CLIENT_BELOW_FLOOR',
  'CLIENT_HISTORY_FORKED',
  'CLIENT_LOG_INCONSISTENT',
  'CLIENT_OTHER_CLUSTER',
  'CLIENT_PIN_MISMATCH',
  'CLIENT_SEED_LINK_UNCHECKED',
  'CLIENT_COORDINATOR_UNLISTED',
  'CLIENT_TRANSITION_INVALID',
  'CLIENT_HISTORY_INVALID',
  'CLIENT_CERTIFICATE_INVALID',
]);

/** Whether a code means that attestation or verification failed. */
export function isTrustFailure(code: ClientErrorCode): boolean {
  return REFUSALS.has(code);
}
