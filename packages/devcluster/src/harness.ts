/**
 * What the quickstart, the integration tests and the benchmarks do with a development cluster:
 * wait for a state, run initializers, keep a load running, ask for what was acknowledged.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { createClient, type Client, type ReplicaStatus } from '@witan/client';
import {
  REPOSITORY_ROOT,
  type GuestExit,
  type GuestStatus,
  type HardwarePlan,
  type ProgramSpec,
} from '@witan/tee-sim';
import { refuseInterrupted, type DevCluster } from './cluster.ts';
import { DevClusterError } from './errors.ts';
import type { LoadLine, LoadSettings } from './guests/load.ts';
import { sleepMs } from './processes.ts';
import { foundingTee } from './reference-values.ts';

/** Far more than anything here takes, for machines that do much else. */
const WAIT_MS = 60_000;

const LOAD_PACKAGES = [
  'core',
  'manifest',
  'attestation',
  'protocol',
  'keys',
  'attester',
  'transport',
  'client',
  'tee-sim',
  'devcluster',
];

/** The load generator as a measured program. */
export const LOAD_PROGRAM: ProgramSpec = {
  name: 'load',
  entry: 'packages/devcluster/src/guests/load.ts',
  files: [
    ...LOAD_PACKAGES.flatMap((name) => [`packages/${name}/src`, `packages/${name}/package.json`]),
    // Builders of evidence, which the simulated hardware's library loads.
    'packages/attestation/testing',
    'package-lock.json',
  ],
  root: REPOSITORY_ROOT,
};

/** What `reference-values.json` of a development cluster says. */
export interface ReferenceValuesFile {
  readonly coordinators: readonly unknown[];
  readonly workload: readonly Readonly<Record<string, unknown>>[];
  readonly coordinatorEndpoints: readonly string[];
}

/** @throws Error when the file is not there */
export async function readReferenceValues(cluster: DevCluster): Promise<ReferenceValuesFile> {
  return JSON.parse(await readFile(cluster.layout.referenceValues, 'utf8')) as ReferenceValuesFile;
}

/** Reference values of a cluster's Coordinators, parsed. */
export async function coordinatorValues(cluster: DevCluster): Promise<readonly ReferenceValues[]> {
  const { coordinators } = await readReferenceValues(cluster);
  return coordinators.map((value, index) => parseReferenceValues(value, `coordinators[${index}]`));
}

/** A client of a cluster that attests every replica and keeps nothing. */
export async function clientOf(
  cluster: DevCluster,
  endpoints: readonly string[] = cluster.endpoints,
  timeoutMs = 15_000,
): Promise<Client> {
  const coordinators = await coordinatorValues(cluster);
  return createClient({ endpoints, coordinators, timeoutMs, connectTimeoutMs: 3_000 });
}

/** Statuses of the replicas that answer, each attested. */
export async function statusesOf(cluster: DevCluster): Promise<readonly ReplicaStatus[]> {
  const client = await clientOf(cluster, cluster.endpoints, 2_000);
  const answers = await client.getStatus();
  client.close();
  return answers.flatMap((answer) => (answer.kind === 'ok' ? [answer.status] : []));
}

/**
 * Polls until `condition` holds of the statuses.
 *
 * @throws DevClusterError DEVCLUSTER_STEP_FAILED, with what was seen last
 */
export async function waitForStatuses(
  cluster: DevCluster,
  expected: string,
  condition: (statuses: readonly ReplicaStatus[]) => boolean,
  timeoutMs: number = WAIT_MS,
  signal?: AbortSignal,
): Promise<readonly ReplicaStatus[]> {
  const untilMs = performance.now() + timeoutMs;
  let statuses: readonly ReplicaStatus[] = [];
  while (performance.now() < untilMs) {
    refuseInterrupted(signal);
    statuses = await statusesOf(cluster);
    if (condition(statuses)) return statuses;
    await sleepMs(50);
  }
  const found = statuses.map(
    ({ slot, phase, role, explanation }) => `${slot}: ${phase} ${role} (${explanation})`,
  );
  throw new DevClusterError('DEVCLUSTER_STEP_FAILED', 'the cluster did not get there in time', {
    fields: { expected, found: found.join('; ') },
  });
}

/** Whether all slots vote in one cluster with a leader, each by its newest process. */
export function allServe(cluster: DevCluster, statuses: readonly ReplicaStatus[]): boolean {
  return (
    statuses.length === cluster.slots.length &&
    statuses.every(({ phase, leader }) => phase === 'serving' && leader !== '')
  );
}

export interface InitializerRun {
  readonly exit: GuestExit;
  readonly log: string;
}

/** Runs an initializer as an attested guest and waits for its end. */
export async function runInitializer(
  cluster: DevCluster,
  options: {
    readonly name: string;
    readonly initdata: Uint8Array;
    readonly endpoints: readonly string[];
    readonly output: string;
    readonly args?: readonly string[];
    readonly program?: string | ProgramSpec;
    /** Default: a healthy machine of the kind that the cluster was founded on. */
    readonly hardware?: HardwarePlan;
  },
): Promise<InitializerRun> {
  await mkdir(options.output, { recursive: true, mode: 0o700 });
  const logFile = join(cluster.layout.directory, `initializer-${options.name}.log`);
  const guest = await cluster.tee.launch({
    ...(options.hardware ?? { tee: foundingTee(cluster.teeChoice) }),
    program: options.program ?? 'initializer',
    initdata: options.initdata,
    chip: `chip-${options.name}`,
    args: options.args ?? ['--timeout', '30'],
    env: { WITAN_ENDPOINTS: options.endpoints.join(','), WITAN_OUTPUT: options.output },
    stdoutPath: logFile,
    stderrPath: logFile,
  });
  const exit = await cluster.tee.wait(guest.guestId);
  return { exit, log: await readFile(logFile, 'utf8') };
}

/** A certificate that was acknowledged. */
export type Acknowledged = LoadLine & { readonly kind: 'acknowledged' };

/** A load that runs in a guest of its own. */
export class Load {
  readonly pid: number;
  readonly #cluster: DevCluster;
  readonly #guestId: string;
  readonly #file: string;

  constructor(cluster: DevCluster, guest: Pick<GuestStatus, 'guestId' | 'pid'>, file: string) {
    this.pid = guest.pid;
    this.#cluster = cluster;
    this.#guestId = guest.guestId;
    this.#file = file;
  }

  /** Everything that the load has printed so far. */
  async lines(): Promise<readonly LoadLine[]> {
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    // The last line may not be finished yet.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LoadLine] : []));
  }

  async acknowledged(): Promise<readonly Acknowledged[]> {
    const lines = await this.lines();
    return lines.flatMap((line) => (line.kind === 'acknowledged' ? [line] : []));
  }

  /** Waits until so many requests were acknowledged. */
  async reach(count: number, timeoutMs: number = WAIT_MS): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    while (performance.now() < untilMs) {
      if ((await this.acknowledged()).length >= count) return;
      await sleepMs(20);
    }
    const lines = await this.lines();
    const failed = lines.find((line) => line.kind === 'failed');
    const found = failed === undefined ? `${lines.length} lines` : failed.error;
    throw new DevClusterError('DEVCLUSTER_STEP_FAILED', 'the load does not get on', {
      fields: { expected: `${count} certificates`, found },
    });
  }

  /** Lets the requests under way end, then stops; gives everything acknowledged. */
  async stop(): Promise<readonly Acknowledged[]> {
    await this.#cluster.tee.signal(this.#guestId, 'SIGTERM').catch(() => undefined);
    return this.finished();
  }

  /** Waits for the end of the load's own duration. */
  async finished(): Promise<readonly Acknowledged[]> {
    await this.#cluster.tee.wait(this.#guestId);
    return this.acknowledged();
  }
}

let loads = 0;

/** Starts a load as a guest with a workload's initdata, so that it is attested as that workload. */
export async function startLoad(
  cluster: DevCluster,
  initdata: Uint8Array,
  settings: Omit<LoadSettings, 'coordinators' | 'endpoints'> & {
    readonly endpoints?: readonly string[];
  },
): Promise<Load> {
  loads += 1;
  const base = join(cluster.layout.directory, `load-${process.pid}-${loads}`);
  const { coordinators } = await readReferenceValues(cluster);
  const whole: LoadSettings = { endpoints: cluster.endpoints, ...settings, coordinators };
  await writeFile(`${base}.json`, JSON.stringify(whole));
  const guest = await cluster.tee.launch({
    tee: foundingTee(cluster.teeChoice),
    program: LOAD_PROGRAM,
    initdata,
    chip: 'chip-load',
    args: [`${base}.json`],
    stdoutPath: `${base}.out`,
    stderrPath: `${base}.err`,
  });
  return new Load(cluster, guest, `${base}.out`);
}

/**
 * The longest time without an acknowledgement that began before and ended after `atMs`, or that
 * began soon after it.
 */
export function interruptionMs(acknowledged: readonly Acknowledged[], atMs: number): number {
  const times = acknowledged.map(({ acknowledgedMs }) => acknowledgedMs).toSorted((a, b) => a - b);
  let longest = 0;
  for (let i = 1; i < times.length; i += 1) {
    const [from = 0, to = 0] = [times[i - 1], times[i]];
    const touches = to > atMs && from < atMs + 5_000;
    if (touches) longest = Math.max(longest, to - from);
  }
  return longest;
}
