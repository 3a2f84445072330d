/**
 * HTTP GET on Node's own client: one answer, with bounds on time and size, no redirects, no
 * cookies, no kept connection.
 *
 * Proxies: the agents of Node 24.5 and newer take the settings of the environment (HTTPS_PROXY,
 * HTTP_PROXY, NO_PROXY) or one URL, and tunnel https through CONNECT.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { EndorsementsError, errnoOf } from '../errors.ts';
import { HEADER_BYTES_MAX } from '../limits.ts';

/** What is asked. */
export interface HttpRequest {
  readonly url: string;
  /** Largest body. */
  readonly bytesMax: number;
  /** From the start to the last byte. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What was answered: any status. Header names are lower case. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * Fetches a URL.
 *
 * @throws EndorsementsError ENDORSEMENTS_UNREACHABLE, ENDORSEMENTS_TIMEOUT, ENDORSEMENTS_TOO_LARGE
 *   or ENDORSEMENTS_CLOSED
 */
export type HttpFetch = (request: HttpRequest) => Promise<HttpAnswer>;

/** How to connect. */
export interface HttpFetchOptions {
  /**
   * `environment` (default) reads HTTPS_PROXY, HTTP_PROXY and NO_PROXY; `none` connects directly;
   * else the URL of a proxy, which may hold a password and is never shown. NO_PROXY of the
   * environment counts with it too.
   */
  readonly proxy?: string;
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** PEM certificates that are accepted for TLS beside the system's, for a mirror or proxy. */
  readonly certificateAuthorities?: string;
}

/**
 * Makes a fetch function.
 *
 * @throws EndorsementsError ENDORSEMENTS_OPTION_INVALID for a proxy that is no http(s) URL
 */
export function createHttpFetch(options: HttpFetchOptions = {}): HttpFetch {
  const env = options.env ?? process.env;
  const proxyEnv = proxyEnvOf(options.proxy ?? 'environment', env);
  const shared = { keepAlive: false, ...(proxyEnv === undefined ? {} : { proxyEnv }) };
  const plainAgent = new http.Agent(shared);
  const ca = options.certificateAuthorities;
  const tlsAgent = new https.Agent({ ...shared, ...(ca === undefined ? {} : { ca }) });
  return (request) =>
    new Promise((resolve, reject) => {
      const secure = request.url.startsWith('https:');
      const settings: https.RequestOptions = {
        agent: secure ? tlsAgent : plainAgent,
        maxHeaderSize: HEADER_BYTES_MAX,
        signal: request.signal,
        headers: { accept: '*/*', 'user-agent': 'witan-endorsements' },
      };
      const outgoing = (secure ? https : http).get(request.url, settings);
      // Errors after the first change nothing: a promise settles once.
      const fail = (error: EndorsementsError): void => {
        reject(error);
        outgoing.destroy();
      };
      const host = new URL(request.url).host;
      const timer = setTimeout(() => {
        const fields = { host, timeoutMs: request.timeoutMs };
        fail(new EndorsementsError('ENDORSEMENTS_TIMEOUT', { fields }));
      }, request.timeoutMs);
      let answered = false;
      outgoing.on('close', () => {
        clearTimeout(timer);
        // Behind an answer this is the ordinary end; a body that broke off fails where it is read.
        if (!answered) fail(unreachable(host, 'closed'));
      });
      outgoing.on('error', (error) => {
        fail(request.signal.aborted ? closed(error) : unreachable(host, errnoOf(error), error));
      });
      outgoing.on('response', (incoming) => {
        answered = true;
        collect(incoming, request.bytesMax, host).then(resolve, fail);
      });
    });
}

async function collect(
  incoming: http.IncomingMessage,
  bytesMax: number,
  host: string,
): Promise<HttpAnswer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
      length += chunk.byteLength;
      if (length > bytesMax) {
        const fields = { host, expected: `at most ${bytesMax} bytes` };
        throw new EndorsementsError('ENDORSEMENTS_TOO_LARGE', { fields });
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof EndorsementsError ? error : unreachable(host, errnoOf(error), error);
  }
  // A body that ends before its Content-Length fails above; one that is chunked and cut does too.
  const headers = Object.entries(incoming.headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : [],
  );
  return {
    status: incoming.statusCode ?? 0,
    headers: Object.fromEntries(headers),
    body: new Uint8Array(Buffer.concat(chunks)),
  };
}

function proxyEnvOf(
  proxy: string,
  env: Readonly<Record<string, string | undefined>>,
): NodeJS.ProcessEnv | undefined {
  if (proxy === 'none') return undefined;
  if (proxy === 'environment') return env;
  const url = URL.parse(proxy);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    const fields = { option: 'proxy', expected: 'environment, none, or an http or https URL' };
    throw new EndorsementsError('ENDORSEMENTS_OPTION_INVALID', { fields });
  }
  const noProxy = env['NO_PROXY'] ?? env['no_proxy'];
  return { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: noProxy };
}

/** The cause may name a proxy's address but never its password; Node does not put it there. */
function unreachable(host: string, reason = 'connection', cause?: unknown): EndorsementsError {
  return new EndorsementsError('ENDORSEMENTS_UNREACHABLE', { fields: { host, reason }, cause });
}

function closed(cause: unknown): EndorsementsError {
  return new EndorsementsError('ENDORSEMENTS_CLOSED', { cause });
}
