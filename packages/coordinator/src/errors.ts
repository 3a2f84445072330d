/**
 * Errors of the Coordinator's own: what stops it from starting, each with the next step to take.
 */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** What stops a Coordinator, or makes it refuse a message. */
export type CoordinatorErrorCode =
  | 'COORDINATOR_USAGE'
  | 'COORDINATOR_INITDATA_UNREADABLE'
  | 'COORDINATOR_INITDATA_INVALID'
  | 'COORDINATOR_INITDATA_NOT_MEASURED'
  | 'COORDINATOR_EVIDENCE_UNUSABLE'
  | 'COORDINATOR_DATA_DIRECTORY_UNUSABLE'
  | 'COORDINATOR_PEER_UNREACHABLE'
  | 'COORDINATOR_SEALED_LOG_UNREADABLE'
  | 'COORDINATOR_SEALING_UNREACHABLE'
  | 'COORDINATOR_SEALING_TIMEOUT'
  | 'COORDINATOR_SEALING_TOO_LARGE'
  | 'COORDINATOR_SEALING_TOKEN_UNREADABLE'
  | 'COORDINATOR_SEALING_FORBIDDEN'
  | 'COORDINATOR_SEALING_SERVICE_SEALED'
  | 'COORDINATOR_SEALING_KEY_MISSING'
  | 'COORDINATOR_SEALING_KEY_UNSUITABLE'
  | 'COORDINATOR_SEALING_KEY_VERSION_ARCHIVED'
  | 'COORDINATOR_SEALING_CIPHERTEXT_REFUSED'
  | 'COORDINATOR_SEALING_ANSWER_UNUSABLE'
  | 'COORDINATOR_SEALING_HTTP_STATUS'
  | 'COORDINATOR_SEALING_WRAPPED_MALFORMED'
  | 'COORDINATOR_WIRE_MALFORMED';

/** Why the Coordinator does not start, or cannot read what a peer sent. */
export class CoordinatorError extends CodedError<CoordinatorErrorCode> {
  constructor(code: CoordinatorErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}
