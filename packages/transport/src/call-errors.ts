/**
 * Errors at the edge. On the server one function decides what of a thrown error goes over the wire:
 * a PublicError's code and fields, and of anything else nothing (style: not-found and denied reveal
 * nothing inside). On the client one function reads it back.
 */
import { Metadata, status as Status, type ServiceError } from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ErrorDetailSchema } from '@witan/protocol';
import { PublicError, RemoteError, TransportError, type CallErrorDetail } from './errors.ts';
import { statusName, statusNumber } from './grpc-status.ts';

/** Trailer that carries `witan.common.v1.ErrorDetail`. */
export const ERROR_TRAILER = 'witan-error-bin';

const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
const FIELDS_MAX = 16;
const FIELD_NAME_CHARS_MAX = 64;
const FIELD_CHARS_MAX = 512;
const DETAIL_BYTES_MAX = 32 * 1024;

/** What grpc-js sends for a failed call. */
export interface WireError {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/**
 * The only way from a thrown error to the wire.
 *
 * @returns the answer, and whether the error was private and so needs a local log line
 */
export function toWireError(error: unknown): {
  readonly wire: WireError;
  readonly isPrivate: boolean;
} {
  const metadata = new Metadata();
  if (!(error instanceof PublicError)) {
    return { wire: { code: Status.INTERNAL, details: '', metadata }, isPrivate: true };
  }
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(error.fields).slice(0, FIELDS_MAX)) {
    fields[name.slice(0, FIELD_NAME_CHARS_MAX)] = String(value).slice(0, FIELD_CHARS_MAX);
  }
  const detail = create(ErrorDetailSchema, { code: error.code, fields });
  metadata.set(ERROR_TRAILER, Buffer.from(toBinary(ErrorDetailSchema, detail)));
  const code = statusNumber(error.status);
  return { wire: { code, details: '', metadata }, isPrivate: false };
}

/** What ended a call on this side, if anything did. */
export interface CallEnd {
  readonly cancelledHere: boolean;
  readonly connectionEnded: boolean;
}

/**
 * The only way from what grpc-js reports to what a caller sees.
 *
 * @returns RemoteError for an answer of the server, TransportError for what happened in between
 */
export function fromWireError(error: unknown, end: CallEnd): RemoteError | TransportError {
  if (error instanceof RemoteError || error instanceof TransportError) return error;
  if (end.cancelledHere) return new TransportError('CALL_CANCELLED', 'call was cancelled here');
  const { code, metadata } = readServiceError(error);
  const detail = metadata === undefined ? undefined : readDetail(metadata);
  if (detail === undefined) {
    if (code === Status.DEADLINE_EXCEEDED) {
      return new TransportError('CALL_DEADLINE_EXCEEDED', 'call took too long');
    }
    // A server of this package always explains UNAVAILABLE; without detail it is grpc-js itself.
    if (code === Status.UNAVAILABLE || end.connectionEnded) {
      return new TransportError('CONNECTION_LOST', 'connection ended during the call', {}, error);
    }
  }
  return new RemoteError(statusName(code), detail);
}

function readServiceError(error: unknown): {
  readonly code: number;
  readonly metadata: Metadata | undefined;
} {
  if (!(error instanceof Error) || !('code' in error)) {
    return { code: Status.UNKNOWN, metadata: undefined };
  }
  const { code, metadata } = error as Partial<ServiceError>;
  return {
    code: typeof code === 'number' ? code : Status.UNKNOWN,
    metadata: metadata instanceof Metadata ? metadata : undefined,
  };
}

/** The server's explanation, if it is there and well formed; its word only. */
function readDetail(metadata: Metadata): CallErrorDetail | undefined {
  const bytes = metadata.get(ERROR_TRAILER)[0];
  if (!(bytes instanceof Uint8Array) || bytes.byteLength > DETAIL_BYTES_MAX) return undefined;
  try {
    const detail = fromBinary(ErrorDetailSchema, bytes);
    if (!CODE.test(detail.code)) return undefined;
    const entries = Object.entries(detail.fields).slice(0, FIELDS_MAX);
    const fields = entries.map(([name, value]) => [
      name.slice(0, FIELD_NAME_CHARS_MAX),
      value.slice(0, FIELD_CHARS_MAX),
    ]);
    return { code: detail.code, fields: Object.fromEntries(fields) as Record<string, string> };
  } catch {
    return undefined;
  }
}
