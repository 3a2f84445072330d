/**
 * Load of `npm run bench:mesh`: two processes that ask for certificates, what was acknowledged in a
 * span of time behind their warm-up, and the CPU time that every process spent in it.
 */
import type { Deployment } from '../deployment.ts';
import { startLoad, type Load } from '../harness.ts';
import { sleepMs } from '../processes.ts';
import type { LoadLine } from '../guests/load.ts';
import { cpuMsOf } from './process-figures.ts';

/** One process of the load would be the bottleneck on more than one core. */
const PROCESSES = 2;
/** Far behind the end of any measurement; the load is told to stop. */
const DURATION_MS_MAX = 3_600_000;
/** A request that failed counts as having taken as long as the client would have tried. */
const FAILED_MS = 20_000;
const READY_MS = 120_000;

/** What is asked for. */
export interface MeshLoad {
  readonly channel: 'kept' | 'fresh';
  /** Loops over all processes. */
  readonly concurrency: number;
  /** Over all processes, whatever becomes of earlier requests; absent: as fast as it gets them. */
  readonly ratePerSecond?: number;
  readonly endpoints?: readonly string[];
}

/** What was measured in one span. */
export interface Measured {
  /** Acknowledged in the span. */
  readonly count: number;
  /** Acknowledged a second. */
  readonly rate: number;
  /** Of the requests that were due in the span, those that failed with their client's limit. */
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  /** CPU time for each certificate, in milliseconds. */
  readonly cpuMs: {
    readonly replicas: number;
    readonly load: number;
    readonly simulatedTee: number;
  };
}

/** A load that runs. */
export class RunningMesh {
  readonly #deployment: Deployment;
  readonly #loads: readonly Load[];

  constructor(deployment: Deployment, loads: readonly Load[]) {
    this.#deployment = deployment;
    this.#loads = loads;
  }

  /** Waits for the first certificate of each process. */
  async ready(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.reach(1, READY_MS)));
  }

  /** How many certificates there are by now, over all processes. */
  async count(): Promise<number> {
    const all = await Promise.all(this.#loads.map((load) => load.acknowledged()));
    return all.reduce((sum, { length }) => sum + length, 0);
  }

  /** Measures for so long, and stops the load. */
  async measure(durationMs: number): Promise<Measured> {
    const fromMs = Date.now();
    const before = await this.#cpu();
    await sleepMs(durationMs);
    const untilMs = Date.now();
    const after = await this.#cpu();
    const lines = await this.stop();
    return summarised(lines, { fromMs, untilMs }, (part) => after[part] - before[part]);
  }

  /** Ends the load. @returns all that it has printed */
  async stop(): Promise<readonly LoadLine[]> {
    await Promise.all(this.#loads.map((load) => load.stop()));
    return (await Promise.all(this.#loads.map((load) => load.lines()))).flat();
  }

  async #cpu(): Promise<Readonly<Record<CpuPart, number>>> {
    const sumOf = async (pids: readonly number[]): Promise<number> => {
      const all = await Promise.all(pids.map(cpuMsOf));
      return all.reduce((sum, one) => sum + one, 0);
    };
    const { cluster } = this.#deployment;
    return {
      replicas: await sumOf(cluster.slots.map(({ pid }) => pid)),
      load: await sumOf(this.#loads.map(({ pid }) => pid)),
      simulatedTee: await sumOf([cluster.teeSimPid]),
    };
  }
}

type CpuPart = keyof Measured['cpuMs'];

/** Starts a load. It is warm when the caller says so. */
export async function startMesh(deployment: Deployment, mesh: MeshLoad): Promise<RunningMesh> {
  const { channel, endpoints = deployment.cluster.endpoints } = mesh;
  const rate = mesh.ratePerSecond;
  const initdata = await deployment.initdata('orders');
  const loads = Array.from({ length: PROCESSES }, (_, at) =>
    startLoad(deployment.cluster, initdata, {
      workload: 'orders',
      channel,
      // Each begins at another replica.
      endpoints: [...endpoints.slice(at % endpoints.length), ...endpoints.slice(0, at)],
      concurrency: mesh.concurrency / PROCESSES,
      durationMs: DURATION_MS_MAX,
      ...(rate === undefined ? {} : { ratePerSecond: rate / PROCESSES }),
    }),
  );
  return new RunningMesh(deployment, await Promise.all(loads));
}

/** What the lines say of a span of time. */
export function summarised(
  lines: readonly LoadLine[],
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
  cpuMs: (part: CpuPart) => number,
): Measured {
  const isIn = (atMs: number): boolean => atMs >= fromMs && atMs < untilMs;
  const latenciesMs: number[] = [];
  let [count, failed] = [0, 0];
  for (const line of lines) {
    if (line.kind === 'acknowledged') {
      if (isIn(line.acknowledgedMs)) count += 1;
      if (isIn(line.sentMs)) latenciesMs.push(line.acknowledgedMs - line.sentMs);
    } else if (line.kind === 'failed' && isIn(line.sentMs)) {
      failed += 1;
      latenciesMs.push(FAILED_MS);
    }
  }
  const of = (part: CpuPart): number => cpuMs(part) / count;
  return {
    count,
    rate: (count / (untilMs - fromMs)) * 1000,
    latenciesMs,
    failed,
    cpuMs: { replicas: of('replicas'), load: of('load'), simulatedTee: of('simulatedTee') },
  };
}
