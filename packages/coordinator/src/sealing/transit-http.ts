/**
 * One request to a transit service: over TLS to an authority that was pinned, with bounds on time
 * and size, no redirects, no proxies, no kept connection. What goes out and comes back may be
 * secret and is never part of an error.
 */
import { readFile, stat } from 'node:fs/promises';
import * as https from 'node:https';
import type { IncomingMessage } from 'node:http';
import { CoordinatorError } from '../errors.ts';
import type { TransitSettings } from './settings.ts';

/** Largest answer in bytes. */
const ANSWER_BYTES_MAX = 64 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;
const SUCCESS = 200;
const TOKEN_BYTES_MAX = 4096;

/** What is asked. */
export interface TransitRequest {
  readonly method: 'GET' | 'POST';
  /** Behind the mount, such as `encrypt/name`. */
  readonly path: string;
  readonly body?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What was answered: any status, and the `data` of a success. */
export interface TransitAnswer {
  readonly status: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * @throws CoordinatorError COORDINATOR_SEALING_TOKEN_UNREADABLE, COORDINATOR_SEALING_UNREACHABLE,
 *   COORDINATOR_SEALING_TIMEOUT, COORDINATOR_SEALING_TOO_LARGE,
 *   COORDINATOR_SEALING_ANSWER_UNUSABLE
 */
export async function askTransit(
  settings: TransitSettings,
  request: TransitRequest,
): Promise<TransitAnswer> {
  const token = await readToken(settings.tokenFile);
  const timeout = AbortSignal.timeout(request.timeoutMs);
  const signals = request.signal === undefined ? [timeout] : [timeout, request.signal];
  const { host } = new URL(settings.address);
  try {
    const incoming = await send(settings, request, token, AbortSignal.any(signals));
    const status = incoming.statusCode ?? 0;
    const body = await collect(incoming, host);
    return { status, data: status === SUCCESS ? dataOf(body, host) : {} };
  } catch (cause) {
    if (cause instanceof CoordinatorError) throw cause;
    if (timeout.aborted) {
      const fields = { host, timeoutMs: request.timeoutMs };
      const message = 'the sealing service did not answer in time';
      throw new CoordinatorError('COORDINATOR_SEALING_TIMEOUT', message, { fields });
    }
    const message = 'the sealing service cannot be reached, or is not the one that was measured';
    throw new CoordinatorError('COORDINATOR_SEALING_UNREACHABLE', message, {
      fields: { host, reason: reasonOf(cause) },
    });
  }
}

function send(
  settings: TransitSettings,
  { method, path, body }: TransitRequest,
  token: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(`/v1/${settings.mount}/${path}`, settings.address);
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const outgoing = https.request(url, {
      method,
      signal,
      agent: new https.Agent({ keepAlive: false }),
      ca: settings.certificateAuthorities,
      // Said outright: the host's environment must not be able to switch it off.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      maxHeaderSize: HEADER_BYTES_MAX,
      headers: {
        accept: 'application/json',
        'x-vault-token': token,
        'x-vault-request': 'true',
        ...(settings.namespace === '' ? {} : { 'x-vault-namespace': settings.namespace }),
        ...(bytes === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': bytes.byteLength }),
      },
    });
    outgoing.on('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}

async function collect(incoming: IncomingMessage, host: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    if (length > ANSWER_BYTES_MAX) {
      incoming.destroy();
      const message = 'the sealing service answered with more than is accepted';
      throw new CoordinatorError('COORDINATOR_SEALING_TOO_LARGE', message, {
        fields: { host, expected: `at most ${ANSWER_BYTES_MAX} bytes` },
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function dataOf(body: Uint8Array, host: string): TransitAnswer['data'] {
  if (body.byteLength === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && 'data' in value;
    const data: unknown = isObject ? value.data : undefined;
    const isData = typeof data === 'object' && data !== null && !Array.isArray(data);
    return isData ? (data as TransitAnswer['data']) : {};
  } catch {
    const message = 'the sealing service did not answer with JSON';
    const fields = { host };
    throw new CoordinatorError('COORDINATOR_SEALING_ANSWER_UNUSABLE', message, { fields });
  }
}

async function readToken(file: string): Promise<string> {
  const unreadable = (reason: string, cause?: unknown): CoordinatorError => {
    const message = 'the token of the sealing service cannot be read';
    return new CoordinatorError('COORDINATOR_SEALING_TOKEN_UNREADABLE', message, {
      fields: { file, reason },
      ...(cause === undefined ? {} : { cause }),
    });
  };
  let token: string;
  try {
    if ((await stat(file)).size > TOKEN_BYTES_MAX) throw unreadable('too large');
    token = (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    if (cause instanceof CoordinatorError) throw cause;
    throw unreadable('file', cause);
  }
  // Nothing else can stand in a header.
  if (!/^[\x21-\x7e]+$/.test(token)) throw unreadable('form');
  return token;
}

/** A code such as ECONNREFUSED or SELF_SIGNED_CERT_IN_CHAIN; no text, which may quote anything. */
function reasonOf(cause: unknown): string {
  const code: unknown = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : 'closed';
}
