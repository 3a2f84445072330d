/**
 * `npm run bench:smoke`: first figures of a whole cluster on this machine, with real processes,
 * fsync on, and attestation. The load generator shares the machine's cores with three Coordinators
 * and the simulated TEE, so the figures compare versions of Witan and are no capacity.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startDeployment, type Deployment } from '../deployment.ts';
import { allServe, interruptionMs, startLoad, statusesOf, waitForStatuses } from '../harness.ts';
import { describeFigures, figure, type Figure } from './measure.ts';

const USAGE = `Usage: npm run bench:smoke -- [--runs N] [--seconds N] [--json]

Commits a second at 1 and 64 clients, certificates a second with a new attested channel for each,
and the interruption of writes after the leader is killed. Medians of several runs.

Example: npm run -s bench:smoke -- --runs 5 --json
`;

const WARM_UP_MS = 1_000;

interface Settings {
  readonly runs: number;
  readonly durationMs: number;
  readonly progress: (text: string) => void;
}

/** Acknowledged requests a second, behind a warm-up. */
async function rate(
  deployment: Deployment,
  settings: Settings,
  channel: 'kept' | 'fresh',
  concurrency: number,
): Promise<number> {
  const load = await startLoad(deployment.cluster, await deployment.initdata('orders'), {
    workload: 'orders',
    channel,
    concurrency,
    durationMs: settings.durationMs + WARM_UP_MS,
  });
  const acknowledged = await load.finished();
  const times = acknowledged.map(({ acknowledgedMs }) => acknowledgedMs);
  const fromMs = Math.min(...times) + WARM_UP_MS;
  const counted = times.filter((timeMs) => timeMs >= fromMs);
  const spanMs = Math.max(...counted) - fromMs;
  return (counted.length / spanMs) * 1000;
}

/** Kills the leader under load; puts the slot back. */
async function interruption(deployment: Deployment): Promise<number> {
  const { cluster } = deployment;
  const load = await startLoad(cluster, await deployment.initdata('orders'), {
    workload: 'orders',
    channel: 'kept',
    concurrency: 8,
    durationMs: 60_000,
  });
  await load.reach(100);
  const leader = (await statusesOf(cluster)).find(({ role }) => role === 'leader');
  const slot = leader?.slot ?? '';
  const killedMs = performance.timeOrigin + performance.now();
  await cluster.killSlot(slot);
  await load.reach((await load.acknowledged()).length + 100);
  const acknowledged = await load.stop();
  await cluster.startSlot(slot);
  await waitForStatuses(cluster, 'all slots vote', (all) => allServe(cluster, all));
  return interruptionMs(acknowledged, killedMs);
}

async function measure(settings: Settings): Promise<readonly Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), 'witan-bench-'));
  const deployment = await startDeployment(directory);
  const runs = { one: [], many: [], fresh: [], gap: [] } as Record<string, number[]>;
  try {
    for (let run = 1; run <= settings.runs; run += 1) {
      settings.progress(`run ${run} of ${settings.runs}: 1 client\n`);
      runs['one']?.push(await rate(deployment, settings, 'kept', 1));
      settings.progress(`run ${run} of ${settings.runs}: 64 clients\n`);
      runs['many']?.push(await rate(deployment, settings, 'kept', 64));
      settings.progress(`run ${run} of ${settings.runs}: new channels\n`);
      runs['fresh']?.push(await rate(deployment, settings, 'fresh', 4));
      settings.progress(`run ${run} of ${settings.runs}: leader killed\n`);
      runs['gap']?.push(await interruption(deployment));
    }
  } finally {
    await deployment.cluster.shutdown();
    await rm(directory, { recursive: true, force: true });
  }
  return [
    figure('commits, 1 client', '/s', 'higher', runs['one'] ?? []),
    figure('commits, 64 clients', '/s', 'higher', runs['many'] ?? []),
    figure('certificates, new attested channel for each', '/s', 'higher', runs['fresh'] ?? []),
    figure('writes interrupted after the leader is killed', 'ms', 'lower', runs['gap'] ?? []),
  ];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      seconds: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const runs = Number(values.runs ?? '3');
  const seconds = Number(values.seconds ?? '4');
  if (!(Number.isInteger(runs) && runs > 0 && seconds > 0)) {
    process.stderr.write(`--runs and --seconds are numbers above 0\n${USAGE}`);
    return 2;
  }
  const settings = {
    runs,
    durationMs: seconds * 1000,
    progress: (text: string) => process.stderr.write(text),
  };
  const figures = await measure(settings);
  if (values.json === true) process.stdout.write(`${JSON.stringify({ figures })}\n`);
  else process.stdout.write(describeFigures(figures));
  return figures.some(({ met }) => met === false) ? 1 : 0;
}

process.exitCode = await main();
