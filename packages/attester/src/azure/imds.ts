/**
 * Azure's instance metadata service as a port, and the two requests that evidence needs. It answers
 * over plain HTTP from the host: all that comes from it is a hint that a verifier checks.
 */
import { X509Certificate } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { fromUtf8, utf8 } from '@witan/core';
import { AttesterError } from '../errors.ts';
import type { SnpEndorsements } from '../provider.ts';
import type { Transient } from '../retry.ts';

/** A request to the metadata service. */
export interface ImdsRequest {
  readonly method: 'GET' | 'POST';
  /** With the leading slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
}

/** What the metadata service answered. */
export interface ImdsResponse {
  readonly status: number;
  /** At most 64 KiB. */
  readonly body: Uint8Array;
}

/** One HTTP exchange with the service. Any failure is an error, whatever it is. */
export interface Imds {
  exchange(request: ImdsRequest): Promise<ImdsResponse>;
}

/** Longest response. */
const IMDS_BYTES_MAX: number = 64 * 1024;
const HOST = '169.254.169.254';
const TIMEOUT_MS = 10_000;
const CHAIN_CERTIFICATES_MAX = 4;

/** The service of the VM that this process runs in. @param options for tests */
export function nodeImds(options: { readonly host?: string; readonly port?: number } = {}): Imds {
  const { host = HOST, port = 80 } = options;
  return {
    exchange: async ({ method, path, headers, body, signal }) =>
      await new Promise<ImdsResponse>((resolve, reject) => {
        const timeout = AbortSignal.timeout(TIMEOUT_MS);
        const request = httpRequest({
          host,
          port,
          method,
          path,
          headers,
          // Never through a proxy or a kept connection: the address is the host's own.
          agent: false,
          signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
        });
        request.on('error', reject);
        request.on('response', (response) => {
          const chunks: Buffer[] = [];
          let byteLength = 0;
          response.on('error', reject);
          response.on('data', (chunk: Buffer) => {
            byteLength += chunk.byteLength;
            if (byteLength <= IMDS_BYTES_MAX) chunks.push(chunk);
            else response.destroy(new Error('the response is too long'));
          });
          response.on('end', () => {
            resolve({
              status: response.statusCode ?? 0,
              body: new Uint8Array(Buffer.concat(chunks)),
            });
          });
        });
        request.end(body);
      }),
  };
}

/** What one try gave; `retrying` takes it. */
type Attempt<Result> = { readonly kind: 'done'; readonly result: Result } | Transient;

/** VCEK and chain of this machine's processor (THIM). */
export async function fetchSnpEndorsements(
  imds: Imds,
  signal?: AbortSignal,
): Promise<Attempt<SnpEndorsements>> {
  const path = '/metadata/THIM/amd/certification';
  const headers = { Metadata: 'true' };
  return await exchanged(imds, path, { method: 'GET', path, headers }, signal, (answer) => {
    const [vek] = certificates(textIn(answer, 'vcekCert'));
    const [intermediate, root] = certificates(textIn(answer, 'certificateChain'));
    return {
      ...(vek === undefined ? {} : { vek }),
      ...(intermediate === undefined ? {} : { intermediate }),
      ...(root === undefined ? {} : { root }),
    };
  });
}

/** A quote of the host's quoting enclave over a TDREPORT of 1024 bytes. */
export async function fetchTdQuote(
  imds: Imds,
  tdReport: Uint8Array,
  signal?: AbortSignal,
): Promise<Attempt<Uint8Array>> {
  const path = '/acc/tdquote';
  const headers = { 'Content-Type': 'application/json' };
  const body = utf8(JSON.stringify({ report: Buffer.from(tdReport).toString('base64url') }));
  return await exchanged(imds, path, { method: 'POST', path, headers, body }, signal, (answer) => {
    const text = textIn(answer, 'quote');
    if (!/^[A-Za-z0-9_-]+={0,2}$/.test(text)) throw new TypeError('the quote is no base64url');
    return new Uint8Array(Buffer.from(text, 'base64url'));
  });
}

async function exchanged<Result>(
  imds: Imds,
  path: string,
  request: ImdsRequest,
  signal: AbortSignal | undefined,
  read: (answer: object) => Result,
): Promise<Attempt<Result>> {
  let response: ImdsResponse;
  try {
    response = await imds.exchange(signal === undefined ? request : { ...request, signal });
  } catch (error) {
    return { kind: 'transient', error: failed(path, 'no answer', error) };
  }
  const { status, body } = response;
  if (status === 429 || status >= 500) {
    return { kind: 'transient', error: failed(path, `status ${status}`) };
  }
  if (status !== 200) throw failed(path, `status ${status}`);
  try {
    const answer: unknown = JSON.parse(fromUtf8(body));
    if (typeof answer !== 'object' || answer === null) throw new TypeError('no object');
    return { kind: 'done', result: read(answer) };
  } catch (error) {
    throw failed(path, 'an unreadable answer', error);
  }
}

function textIn(answer: object, name: string): string {
  const value: unknown = Object.entries(answer).find(([key]) => key === name)?.[1];
  if (typeof value === 'string') return value;
  throw new TypeError('a field is missing');
}

function certificates(pem: string): readonly Uint8Array[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks
    .slice(0, CHAIN_CERTIFICATES_MAX)
    .map((block) => new Uint8Array(new X509Certificate(block).raw));
}

function failed(path: string, found: string, cause?: unknown): AttesterError {
  return new AttesterError('ATTESTER_IMDS', 'the metadata service gave nothing usable', {
    fields: { path, found },
    cause,
  });
}
