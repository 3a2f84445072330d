/**
 * `npm run bench:mesh`: certificates for a mesh of workloads, each over a new channel on which both
 * ends are attested, from three replicas as real processes with fsync on. The load and the
 * simulated TEE share the machine's cores with the Coordinators, so rates are no capacity; CPU time
 * for each certificate, by process, says what a certificate costs whom.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { REPOSITORY_ROOT } from '@witan/tee-sim';
import { startDeployment, type Deployment } from '../deployment.ts';
import { statusesOf } from '../harness.ts';
import { sleepMs } from '../processes.ts';
import { describeFigures, figure, type Figure } from './measure.ts';
import { startMesh, type Measured, type MeshLoad } from './mesh-load.ts';
import {
  measureParts,
  partsPerCertificate,
  VERIFICATIONS,
  verificationsAlone,
} from './mesh-parts.ts';
import { residentBytesOf } from './process-figures.ts';

const USAGE = `Usage: npm run bench:mesh -- [--runs N] [--seconds N] [--warm-up N] [--identities N]
                             [--resident N] [--json]

Certificates a second with attestation of each request, spread over three replicas and through one
follower, beside what P-384 verifications alone would allow on the same cores; CPU time for each, by
process; latency of requests that come at 200 a second, whatever becomes of those before; memory of
replicas over certificates on kept channels (--resident, 0 for none) and of the state over
--identities; size and time of a snapshot of 10,000 workloads. Each measurement takes --seconds,
behind --warm-up seconds. Medians of several runs. Ends with 1 when a target is missed.

Example: npm run -s bench:mesh -- --runs 5 --json
`;

const CONCURRENCY = 16;
const OFFERED = 200;
const P99_MS_MAX = 100;
const BOUND_SHARE_MIN = 0.5;
/** Memory of a replica is watched from here on. */
const RESIDENT_FROM = 1_000;
const POLL_MS = 1_000;

interface Settings {
  readonly runs: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly residentCount: number;
  readonly progress: (text: string) => void;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function followerOf({ cluster }: Deployment): Promise<string> {
  const statuses = await statusesOf(cluster);
  const follower = statuses.find(({ role }) => role === 'voter');
  return follower?.endpoint ?? cluster.endpoints[0] ?? '';
}

async function measured(
  deployment: Deployment,
  { durationMs, warmUpMs, progress }: Settings,
  mesh: MeshLoad,
): Promise<Measured> {
  const running = await startMesh(deployment, mesh);
  await running.ready();
  await sleepMs(warmUpMs);
  const found = await running.measure(durationMs);
  const { rate, failed, cpuMs } = found;
  const all = cpuMs.replicas + cpuMs.load + cpuMs.simulatedTee;
  progress(`  ${rate.toFixed(0)}/s, ${all.toFixed(1)} ms of CPU each, ${failed} failed\n`);
  return found;
}

/** Growth of replicas over so many certificates on kept channels. */
async function residentFigures(
  deployment: Deployment,
  { residentCount, progress }: Settings,
): Promise<readonly Figure[]> {
  const pids = deployment.cluster.slots.map(({ pid }) => pid);
  const resident = async (): Promise<readonly number[]> =>
    await Promise.all(pids.map(residentBytesOf));
  const running = await startMesh(deployment, { channel: 'kept', concurrency: CONCURRENCY });
  const reach = async (count: number): Promise<number> => {
    for (;;) {
      const found = await running.count();
      if (found >= count) return found;
      await sleepMs(POLL_MS);
    }
  };
  const first = await reach(RESIDENT_FROM);
  const [before, startedMs] = [await resident(), performance.now()];
  const last = await reach(RESIDENT_FROM + residentCount);
  const [after, endedMs] = [await resident(), performance.now()];
  await running.stop();
  const count = last - first;
  const grown = after.map((bytes, at) => (bytes - (before[at] ?? 0)) / count);
  progress(`  ${count} certificates on kept channels\n`);
  return [
    figure('certificates, kept channels', '/s', 'higher', [(count / (endedMs - startedMs)) * 1000]),
    figure(`resident memory for each of ${residentCount}`, 'bytes', 'lower', grown),
    figure(
      'replicas behind them, resident',
      'MiB',
      'lower',
      after.map((bytes) => bytes / 2 ** 20),
    ),
  ];
}

/** One value a run, of each quantity. */
type Runs = Readonly<Record<keyof typeof RUNS, number[]>>;
const RUNS = {
  alone: 0,
  spread: 0,
  follower: 0,
  share: 0,
  replicas: 0,
  load: 0,
  tee: 0,
  parts: 0,
  offered: 0,
  failed: 0,
  p50: 0,
  p99: 0,
};

async function oneRun(deployment: Deployment, settings: Settings, runs: Runs): Promise<void> {
  const alone = await verificationsAlone(settings.durationMs / 2);
  const parts = partsPerCertificate(await measureParts());
  const fresh = { channel: 'fresh', concurrency: CONCURRENCY } as const;
  const spread = await measured(deployment, settings, fresh);
  const endpoints = [await followerOf(deployment)];
  const follower = await measured(deployment, settings, { ...fresh, endpoints });
  const open = await measured(deployment, settings, { ...fresh, ratePerSecond: OFFERED });
  const values: Readonly<Record<keyof Runs, number>> = {
    alone,
    spread: spread.rate,
    follower: follower.rate,
    share: spread.rate / (alone / VERIFICATIONS.p384),
    replicas: spread.cpuMs.replicas,
    load: spread.cpuMs.load,
    tee: spread.cpuMs.simulatedTee,
    parts,
    offered: open.rate,
    failed: open.failed,
    p50: percentile(open.latenciesMs, 0.5),
    p99: percentile(open.latenciesMs, 0.99),
  };
  for (const name of Object.keys(RUNS) as readonly (keyof Runs)[]) runs[name].push(values[name]);
}

async function meshFigures(settings: Settings): Promise<readonly Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), 'witan-mesh-'));
  const deployment = await startDeployment(directory);
  const runs = Object.fromEntries(Object.keys(RUNS).map((name) => [name, []])) as unknown as Runs;
  let resident: readonly Figure[] = [];
  try {
    for (let run = 1; run <= settings.runs; run += 1) {
      settings.progress(`run ${run} of ${settings.runs}\n`);
      await oneRun(deployment, settings, runs);
    }
    if (settings.residentCount > 0) resident = await residentFigures(deployment, settings);
  } finally {
    await deployment.cluster.shutdown();
    await rm(directory, { recursive: true, force: true });
  }
  const share = `share of ${VERIFICATIONS.p384} verifications each`;
  return [
    figure('P-384 verifications alone, all cores', '/s', 'higher', runs.alone),
    figure('certificates, three replicas', '/s', 'higher', runs.spread),
    figure('certificates, through one follower', '/s', 'higher', runs.follower),
    figure(share, '', 'higher', runs.share, BOUND_SHARE_MIN),
    figure('CPU for each: three replicas', 'ms', 'lower', runs.replicas),
    figure('CPU for each: load', 'ms', 'lower', runs.load),
    figure('CPU for each: simulated TEE', 'ms', 'lower', runs.tee),
    figure('CPU for each: cryptography alone', 'ms', 'lower', runs.parts),
    figure(`answered of ${OFFERED} a second`, '/s', 'higher', runs.offered),
    figure('failed in that time', '', 'lower', runs.failed),
    figure('median at that rate', 'ms', 'lower', runs.p50),
    figure('99th percentile at that rate', 'ms', 'lower', runs.p99, P99_MS_MAX),
    ...resident,
  ];
}

/** A process of its own, so that its memory is that of the state alone. */
async function stateFigures(identities: number): Promise<readonly Figure[]> {
  const program = join(REPOSITORY_ROOT, 'packages/state-machine/testing/size-main.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program, String(identities)]);
  const all = JSON.parse(stdout) as readonly {
    readonly name: string;
    readonly unit: string;
    readonly runs: readonly number[];
    readonly most?: number;
  }[];
  return all.map(({ name, unit, runs, most }) => figure(name, unit, 'lower', runs, most));
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      'warm-up': { type: 'string', default: '10' },
      identities: { type: 'string', default: '100000' },
      resident: { type: 'string', default: '5000' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [runs = 0, seconds = 0, warmUp = -1, identities = 0, residentCount = -1] = [
    values.runs,
    values.seconds,
    values['warm-up'],
    values.identities,
    values.resident,
  ].map(Number);
  const isValid =
    Number.isInteger(runs) &&
    runs > 0 &&
    seconds > 0 &&
    warmUp >= 0 &&
    identities >= 20_000 &&
    residentCount >= 0;
  if (!isValid) {
    process.stderr.write(`--runs and --seconds are above 0, --identities at least 20000\n${USAGE}`);
    return 2;
  }
  const progress = (text: string) => process.stderr.write(text);
  const [durationMs, warmUpMs] = [seconds * 1000, warmUp * 1000];
  const mesh = await meshFigures({ runs, durationMs, warmUpMs, residentCount, progress });
  progress('state\n');
  const figures = [...mesh, ...(await stateFigures(identities))];
  if (values.json === true) process.stdout.write(`${JSON.stringify({ figures })}\n`);
  else process.stdout.write(describeFigures(figures));
  return figures.some(({ met }) => met === false) ? 1 : 0;
}

process.exitCode = await main();
