/**
 * Errors of this package. `TransportError` is what this end found wrong with a channel or a call;
 * `RemoteError` is what the other end answered; `PublicError` is what a handler wants the other end
 * to read. Everything else that a handler throws stays here (see call-errors.ts).
 */
import { CodedError, InvariantViolation, type ErrorFields } from '@witan/core';

/** Closed list of what can go wrong on the channel; errors.json explains each. */
export type TransportErrorCode =
  | 'ADDRESS_MALFORMED'
  | 'ADDRESS_UNRESOLVED'
  | 'APPLICATION_DATA_EARLY'
  | 'CALL_CANCELLED'
  | 'CALL_DEADLINE_EXCEEDED'
  | 'CONNECTION_CLOSED'
  | 'CONNECTION_LOST'
  | 'CONNECT_ABORTED'
  | 'CONNECT_FAILED'
  | 'EVIDENCE_REFUSED'
  | 'EVIDENCE_TYPE_UNACCEPTED'
  | 'EVIDENCE_UNAVAILABLE'
  | 'FRAME_TOO_LARGE'
  | 'FRAME_TYPE_UNKNOWN'
  | 'FRAME_UNEXPECTED'
  | 'HANDSHAKE_DEADLINE_EXCEEDED'
  | 'HELLO_MALFORMED'
  | 'HELLO_VERSION_UNSUPPORTED'
  | 'IDENTITY_MISMATCH'
  | 'LISTEN_FAILED'
  | 'PEER_CERTIFICATE_MISSING'
  | 'PEER_CERTIFICATE_REFUSED'
  | 'PEER_CLOSED'
  | 'PEER_IS_SELF'
  | 'PEER_REFUSED'
  | 'RESPONSE_MALFORMED'
  | 'ROLE_REFUSED'
  | 'SERVER_CLOSED'
  | 'SERVICES_FAILED'
  | 'TLS_HANDSHAKE_FAILED'
  | 'TLS_PROTOCOL_REFUSED'
  | 'TLS_SESSION_REUSED'
  | 'TLS_VERSION_REFUSED'
  | 'TOO_MANY_CONNECTIONS'
  | 'TOO_MANY_HANDSHAKES'
  | 'VERDICT_MALFORMED'
  | 'VERIFIER_FAILED';

/** What this end found wrong. */
export class TransportError extends CodedError<TransportErrorCode> {
  constructor(
    code: TransportErrorCode,
    message: string,
    fields: ErrorFields = {},
    cause?: unknown,
  ) {
    super(code, message, { fields, cause });
  }
}

/** Status codes of gRPC by name (grpc.io, "Status codes and their use in gRPC"). */
export type GrpcStatus =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED';

/** What a server says about a failed call: a stable code and named values, never a secret. */
export interface CallErrorDetail {
  readonly code: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The one code of `RemoteError`; what the server said is in its fields. */
export type RemoteErrorCode = 'REMOTE_ERROR';

/** A call that the other end answered with an error. Its text is the other end's word only. */
export class RemoteError extends CodedError<RemoteErrorCode> {
  readonly status: GrpcStatus;
  /** Absent when the server gave none, for example for an unknown method. */
  readonly detail: CallErrorDetail | undefined;

  constructor(status: GrpcStatus, detail: CallErrorDetail | undefined) {
    super('REMOTE_ERROR', 'the other end answered with an error', {
      fields: { status, ...(detail === undefined ? {} : { remoteCode: detail.code }) },
    });
    this.status = status;
    this.detail = detail;
  }
}

/**
 * Thrown by a handler to tell the caller something. Code and fields go over the wire; the message
 * and the cause stay in the local log.
 */
export class PublicError extends CodedError {
  readonly status: GrpcStatus;

  /**
   * @param status gRPC status of the answer
   * @param code stable code for the caller, SCREAMING_SNAKE, at most 64 characters
   * @param message constant text for the local log
   * @param fields values for the caller; never a secret
   */
  constructor(
    status: GrpcStatus,
    code: string,
    message: string,
    fields: ErrorFields = {},
    cause?: unknown,
  ) {
    super(code, message, { fields, cause });
    this.status = status;
  }
}

/**
 * Lets a broken invariant through: no catch of this package may turn one into an operating error,
 * because the process must end with it.
 *
 * @throws InvariantViolation if that is what `error` is
 */
export function throwIfBroken(error: unknown): void {
  if (error instanceof InvariantViolation) throw error;
}
