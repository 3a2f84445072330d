/** Load on the leader: so many clients, each with one write under way at a time. */
import { PATHS, encodePut } from './etcd-wire.ts';
import { GrpcClient } from './grpc-client.ts';
import { percentile } from './numbers.ts';

/** How a load is made. */
export interface LoadOptions {
  readonly clients: number;
  readonly durationMs: number;
  /** Left out of the figures, at the beginning. */
  readonly warmUpMs: number;
}

/** What came of it. */
export interface LoadFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

/** Bytes of a value. */
export const VALUE_BYTES = 256;
const KEYS = 10_000;
/** Writes to one server share so many HTTP/2 connections at most. */
const CONNECTIONS_MAX = 8;
const CLIENTS_PER_CONNECTION = 16;

/** Connections for a number of clients. */
function connectionsFor(clients: number): number {
  return Math.min(CONNECTIONS_MAX, Math.max(1, Math.ceil(clients / CLIENTS_PER_CONNECTION)));
}

/** The n-th write of a load. */
export function putRequest(number: number): Uint8Array {
  const key = Buffer.from(`key-${String(number % KEYS).padStart(8, '0')}`);
  return encodePut(key, Buffer.alloc(VALUE_BYTES, 97 + (number % 26)));
}

/** Runs the load against one endpoint. */
export async function runLoad(endpoint: string, options: LoadOptions): Promise<LoadFigures> {
  const { clients, durationMs, warmUpMs } = options;
  const client = new GrpcClient(endpoint, connectionsFor(clients));
  const requests = Array.from({ length: KEYS }, (_, number) => putRequest(number));
  const latencies: number[] = [];
  const fromMs = performance.now() + warmUpMs;
  const untilMs = fromMs + durationMs;
  let number = 0;
  let failed = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const startMs = performance.now();
      if (startMs >= untilMs) return;
      number += 1;
      try {
        await client.call(PATHS.put, requests[number % KEYS] ?? new Uint8Array(0));
      } catch {
        failed += 1;
        continue;
      }
      const endMs = performance.now();
      if (endMs >= fromMs && endMs < untilMs) latencies.push(endMs - startMs);
    }
  };
  try {
    await Promise.all(Array.from({ length: clients }, work));
  } finally {
    client.close();
  }
  return {
    perSecond: (latencies.length / durationMs) * 1000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    failed,
  };
}
