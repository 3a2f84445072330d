/**
 * A measured program that asks for certificates, in loops as fast as it may or at a fixed rate
 * whatever becomes of the requests before, and prints a line for each that was acknowledged. For
 * the quickstart, the tests and the benchmarks: it runs in a simulated guest, is attested like
 * every workload, and trusts nothing that it is told.
 *
 * Arguments: the path of a JSON file with the settings below. Stops at SIGTERM, or after
 * `durationMs`, once the requests under way are answered.
 */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeEvidence, parseReferenceValues } from '@witan/attestation';
import { createClient, type Client } from '@witan/client';
import { describeError } from '@witan/core';
import { simulatedEvidenceProvider } from '@witan/tee-sim';

/** What the program is told to do. */
export interface LoadSettings {
  readonly endpoints: readonly string[];
  /** Reference values of the Coordinators, as in the manifest. */
  readonly coordinators: readonly unknown[];
  readonly workload: string;
  /** `kept`: one channel for all requests. `fresh`: a new attested channel for each. */
  readonly channel: 'kept' | 'fresh';
  /** Loops, each with one request at a time. */
  readonly concurrency: number;
  readonly durationMs: number;
  /** Between two requests of one loop. Default 0: as fast as it gets them. */
  readonly pauseMs?: number;
  /**
   * Instead of loops: so many new requests a second, each over a new channel. A request counts from
   * the time at which it was due, and one that finds too many others under way has failed.
   */
  readonly ratePerSecond?: number;
}

/** One line of output. Times in milliseconds since 1970, with fractions. */
export type LoadLine =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'acknowledged';
      readonly serial: string;
      readonly sentMs: number;
      readonly acknowledgedMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly error: string;
      readonly sentMs: number;
      readonly atMs: number;
    }
  | { readonly kind: 'done' };

const settings = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as LoadSettings;
const coordinators = settings.coordinators.map((value, index) =>
  parseReferenceValues(value, `coordinators[${index}]`),
);
const provider = simulatedEvidenceProvider();
let running = true;
process.on('SIGTERM', () => {
  running = false;
});
setTimeout(() => {
  running = false;
}, settings.durationMs).unref();

function print(line: LoadLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function connectTo(offset: number): Client {
  const { endpoints } = settings;
  const first = offset % endpoints.length;
  return createClient({
    endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)],
    coordinators,
    prover: {
      evidenceTypes: ['snp', 'tdx'],
      prove: async (reportData, signal) =>
        encodeEvidence(await provider.collect(reportData, { signal })),
    },
    timeoutMs: 20_000,
    connectTimeoutMs: 3_000,
  });
}

async function ask(client: Client, sentMs: number): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  try {
    const { certificate } = await client.issueCredentials({
      privateKey,
      workload: settings.workload,
    });
    const serial = new X509Certificate(certificate).serialNumber.toLowerCase();
    print({ kind: 'acknowledged', serial, sentMs, acknowledgedMs: nowMs() });
  } catch (error) {
    print({ kind: 'failed', error: describeError(error), sentMs, atMs: nowMs() });
  }
}

async function loop(worker: number): Promise<void> {
  let client = connectTo(worker);
  for (let turn = 0; running; turn += 1) {
    await ask(client, nowMs());
    if (settings.pauseMs !== undefined) await sleep(settings.pauseMs);
    if (settings.channel === 'fresh') {
      client.close();
      client = connectTo(worker + turn + 1);
    }
  }
  client.close();
}

/**
 * Requests under way at once; beyond them a request that is due has failed. Handshakes share the
 * processor: with too many at once none ends before its time is up.
 */
const UNDER_WAY_MAX = 64;

async function atRate(ratePerSecond: number): Promise<void> {
  const startedMs = nowMs();
  const dueMs = (turn: number): number => startedMs + (turn * 1000) / ratePerSecond;
  const underWay = new Set<Promise<void>>();
  let turn = 0;
  const refuse = (error: string): void => {
    print({ kind: 'failed', error, sentMs: dueMs(turn), atMs: nowMs() });
  };
  for (; running; turn += 1) {
    // Timers are late by up to a millisecond or two; several requests may be due together.
    await sleep(Math.max(0, dueMs(turn) - nowMs()));
    if (underWay.size >= UNDER_WAY_MAX) {
      refuse('too many requests under way');
      continue;
    }
    const client = connectTo(turn);
    const asked = ask(client, dueMs(turn)).finally(() => {
      client.close();
      underWay.delete(asked);
    });
    underWay.add(asked);
  }
  // What was due while this process had no time for it was not sent, and would be left out.
  for (; dueMs(turn) < nowMs(); turn += 1) refuse('not sent in time');
  await Promise.all(underWay);
}

const { concurrency, ratePerSecond } = settings;
print({ kind: 'ready' });
await (ratePerSecond === undefined
  ? Promise.all(Array.from({ length: concurrency }, (_, worker) => loop(worker)))
  : atRate(ratePerSecond));
print({ kind: 'done' });
process.exit(0);
