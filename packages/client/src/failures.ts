/**
 * From a failed attempt to a decision: try elsewhere, or give up. Everything is asked with the same
 * idempotency key again, so trying elsewhere is always safe.
 */
import { RemoteError, TransportError } from '@witan/transport';
import { ClientError } from './errors.ts';

/** What to do about a failed attempt. */
export type Failure =
  /** Nothing was decided: another replica, or this one later, may do it. */
  | { readonly kind: 'elsewhere'; readonly error: ClientError; readonly hint?: string }
  /** This endpoint will answer the same again; others may not. */
  | { readonly kind: 'refused'; readonly error: ClientError }
  /** No replica will answer anything else. */
  | { readonly kind: 'final'; readonly error: ClientError };

/** Statuses after which another attempt makes sense (grpc.io, "Status codes"). */
const TRANSIENT: ReadonlySet<string> = new Set([
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'INTERNAL',
  'RESOURCE_EXHAUSTED',
  'UNAVAILABLE',
  'UNKNOWN',
]);

const ENDPOINT_CHARS_MAX = 300;

/** Sorts an error out. @throws what is no error of a channel, a call or this package */
export function failureOf(error: unknown, endpoint: string): Failure {
  if (error instanceof ClientError) return { kind: 'final', error };
  if (error instanceof RemoteError) return remoteFailure(error, endpoint);
  if (!(error instanceof TransportError)) throw error;
  switch (error.code) {
    case 'EVIDENCE_REFUSED':
    case 'EVIDENCE_TYPE_UNACCEPTED':
    case 'ROLE_REFUSED': {
      const { verifierCode, detail } = error.fields;
      const fields = { endpoint, check: verifierCode ?? error.code, detail: detail ?? '' };
      return {
        kind: 'refused',
        error: new ClientError('CLIENT_COORDINATOR_REFUSED', fields, error),
      };
    }
    case 'PEER_REFUSED': {
      const fields = { endpoint, ...error.fields };
      return { kind: 'refused', error: new ClientError('CLIENT_EVIDENCE_REFUSED', fields, error) };
    }
    case 'CONNECT_ABORTED':
    case 'CALL_CANCELLED':
      return { kind: 'final', error: new ClientError('CLIENT_ABORTED', {}, error) };
    case 'ADDRESS_MALFORMED': {
      const fields = { expected: 'host:port', found: endpoint };
      return { kind: 'final', error: new ClientError('CLIENT_ENDPOINTS_INVALID', fields, error) };
    }
    case 'RESPONSE_MALFORMED': {
      const fields = { endpoint };
      return { kind: 'final', error: new ClientError('CLIENT_ANSWER_MALFORMED', fields, error) };
    }
    default:
      return {
        kind: 'elsewhere',
        error: new ClientError('CLIENT_UNREACHABLE', { endpoint, reason: error.code }, error),
      };
  }
}

function remoteFailure(error: RemoteError, endpoint: string): Failure {
  const { status, detail } = error;
  const code = detail?.code ?? '';
  if (code === 'CONFLICT') {
    const { expected = '', found = '' } = detail?.fields ?? {};
    const fields = { endpoint, expected, found };
    return { kind: 'final', error: new ClientError('CLIENT_CONFLICT', fields, error) };
  }
  if (code === 'NO_MANIFEST') {
    return { kind: 'final', error: new ClientError('CLIENT_NO_MANIFEST', { endpoint }, error) };
  }
  if (TRANSIENT.has(status)) {
    const fields = { endpoint, reason: code === '' ? status : code, ...remoteFields(detail) };
    const unreachable = new ClientError('CLIENT_UNREACHABLE', fields, error);
    const hint = detail?.fields['address'];
    return code === 'NOT_LEADER' && hint !== undefined && isAddress(hint)
      ? { kind: 'elsewhere', error: unreachable, hint }
      : { kind: 'elsewhere', error: unreachable };
  }
  const fields = { endpoint, status, remoteCode: code, ...remoteFields(detail) };
  return { kind: 'final', error: new ClientError('CLIENT_REQUEST_REFUSED', fields, error) };
}

function remoteFields(detail: RemoteError['detail']): Readonly<Record<string, string>> {
  const { address: _hint, ...fields } = detail?.fields ?? {};
  return fields;
}

/** Whether text has the form `host:port`, with brackets around IPv6 addresses. */
export function isAddress(text: string): boolean {
  const match = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[1]);
  return text.length <= ENDPOINT_CHARS_MAX && port >= 1 && port <= 65_535;
}
