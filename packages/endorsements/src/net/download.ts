/**
 * Asks a vendor's service for one endorsement: attempts with growing waits between them, within one
 * deadline. Judges the answer's status and header only; what the body is worth is verified after.
 */
import { PEM_BYTES_MAX } from '@witan/attestation';
import { utf8, type Random, type UnixMillis } from '@witan/core';
import { EndorsementsError } from '../errors.ts';
import type { Source } from '../sources.ts';
import type { HttpAnswer, HttpFetch } from './http.ts';
import { pause, type Pace } from './pace.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Timer } from './timer.ts';

/** How often and how long to try. */
export interface DownloadOptions {
  /** Attempts in all. Default 3. */
  readonly attemptsMax?: number;
  /** Wait before the second attempt in milliseconds, doubled each time. Default 500. */
  readonly delayMs?: number;
  /** Longest wait between two attempts. Default 10 000. */
  readonly delayMsMax?: number;
  /** One attempt. Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** All attempts and waits together. Default 30 000. */
  readonly deadlineMs?: number;
}

/** What downloads need. */
export interface DownloadContext {
  readonly fetch: HttpFetch;
  readonly pace: Pace;
  readonly random: Random;
  readonly timer: Timer;
  readonly options: Required<DownloadOptions>;
  readonly signal: AbortSignal;
  readonly now: () => UnixMillis;
  /** Told of each failure; undefined when no attempt follows. */
  readonly onFailure: (error: EndorsementsError, retryInMs: number | undefined) => void;
}

/** A body, and the issuer chain that a header carried. */
export interface Download {
  readonly body: Uint8Array;
  readonly issuerChain: Uint8Array | undefined;
}

/** Fills in defaults. */
export function downloadOptionsOf(given: DownloadOptions = {}): Required<DownloadOptions> {
  return {
    attemptsMax: Math.max(1, given.attemptsMax ?? 3),
    delayMs: Math.max(0, given.delayMs ?? 500),
    delayMsMax: Math.max(0, given.delayMsMax ?? 10_000),
    requestTimeoutMs: Math.max(1, given.requestTimeoutMs ?? 10_000),
    deadlineMs: Math.max(1, given.deadlineMs ?? 30_000),
  };
}

/** A failed attempt, and how long the service wants to be left alone; undefined for final ones. */
interface Failure {
  readonly error: EndorsementsError;
  readonly waitMs: number | undefined;
}

const RETRIED: readonly string[] = ['ENDORSEMENTS_UNREACHABLE', 'ENDORSEMENTS_TIMEOUT'];

/**
 * @throws EndorsementsError the error of the last attempt
 */
export async function download(source: Source, context: DownloadContext): Promise<Download> {
  const { options, random, signal, timer } = context;
  const deadlineMs = timer.nowMs() + options.deadlineMs;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await attemptOnce(source, deadlineMs, context);
    if (!('error' in outcome)) return outcome;
    const backoffMs = Math.min(options.delayMs * 2 ** (attempt - 1), options.delayMsMax);
    // Jitter between half and all of it: replicas that start together must not retry in step.
    const jitter = 0.5 + ((random.bytes(1)[0] ?? 0) / 255) * 0.5;
    const waitMs = Math.max(outcome.waitMs ?? 0, backoffMs * jitter);
    const again =
      outcome.waitMs !== undefined &&
      attempt < options.attemptsMax &&
      timer.nowMs() + waitMs < deadlineMs;
    context.onFailure(outcome.error, again ? Math.ceil(waitMs) : undefined);
    if (!again) throw outcome.error;
    await pause(waitMs, signal, timer);
  }
}

async function attemptOnce(
  source: Source,
  deadlineMs: number,
  { fetch, pace, options, signal, now, timer }: DownloadContext,
): Promise<Download | Failure> {
  const { url, bytesMax } = source;
  const { host } = new URL(url);
  try {
    const answer = await pace.run(host, deadlineMs, signal, () => {
      const leftMs = Math.max(1, deadlineMs - timer.nowMs());
      const timeoutMs = Math.min(options.requestTimeoutMs, Math.ceil(leftMs));
      return fetch({ url, bytesMax, timeoutMs, signal });
    });
    if (answer.status === 200) return read(answer, source);
    return refused(answer, host, pace, now());
  } catch (error) {
    if (!(error instanceof EndorsementsError)) throw error;
    return { error, waitMs: RETRIED.includes(error.code) ? 0 : undefined };
  }
}

function refused(answer: HttpAnswer, host: string, pace: Pace, now: UnixMillis): Failure {
  const { status } = answer;
  const waitMs = retryAfterMs(answer.headers['retry-after'], now);
  if (status === 404) {
    const error = new EndorsementsError('ENDORSEMENTS_NOT_FOUND', { fields: { host, status } });
    return { error, waitMs: undefined };
  }
  if (status === 429) {
    pace.block(host, waitMs ?? 0);
    const fields = { host, status, retryInMs: waitMs ?? 0 };
    const error = new EndorsementsError('ENDORSEMENTS_RATE_LIMITED', { fields });
    return { error, waitMs: waitMs ?? 0 };
  }
  const error = new EndorsementsError('ENDORSEMENTS_HTTP_STATUS', {
    fields: { host, expected: 200, found: status },
  });
  if (status === 503 && waitMs !== undefined) pace.block(host, waitMs);
  return { error, waitMs: status >= 500 ? (waitMs ?? 0) : undefined };
}

function read({ body, headers }: HttpAnswer, { chainHeader, bytesMax }: Source): Download {
  if (body.byteLength > bytesMax) {
    throw new EndorsementsError('ENDORSEMENTS_TOO_LARGE', {
      fields: { expected: `at most ${bytesMax} bytes`, found: body.byteLength },
    });
  }
  if (chainHeader === undefined) return { body, issuerChain: undefined };
  const value = headers[chainHeader];
  const chain = value === undefined ? undefined : decoded(value);
  if (chain === undefined || chain.byteLength > PEM_BYTES_MAX) {
    throw new EndorsementsError('ENDORSEMENTS_ANSWER_UNUSABLE', {
      fields: {
        expected: `header ${chainHeader}`,
        found: value === undefined ? 'none' : 'unusable',
      },
    });
  }
  return { body, issuerChain: chain };
}

/** URL-encoded text. Undefined for anything malformed. */
function decoded(text: string): Uint8Array | undefined {
  try {
    return utf8(decodeURIComponent(text));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined;
  }
}
