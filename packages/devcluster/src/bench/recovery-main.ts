/**
 * `npm run bench:recovery`: how long replicas take to come back, and what an idle one costs, with
 * real processes, fsync on, and attestation. Everything shares the machine's cores with the other
 * Coordinators and the simulated TEE.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startDeployment, type Deployment } from '../deployment.ts';
import { allServe, clientOf, waitForStatuses } from '../harness.ts';
import { sleepMs } from '../processes.ts';
import { describeFigures, figure, type Figure } from './measure.ts';
import { logged, swapOf, type LogLine } from './logged.ts';

const USAGE = `Usage: npm run bench:recovery -- [--runs N] [--json]

Time from the start of a killed replica's successor to its vote, from the last share to an answer
after all replicas were lost at once, and the resident memory of idle replicas. Medians of several
runs; for figures to rely on at least 20. Ends with 1 when a target is missed.

Example: npm run -s bench:recovery -- --runs 20 --json
`;

const RUNS_DEFAULT = '20';
const RESTART_MS_MAX = 2_000;
const OPEN_MS_MAX = 5_000;
const IDLE_MIB_MAX = 120;
/** Until what a start has left behind is collected. */
const IDLE_MS = 5_000;

interface Settings {
  readonly runs: number;
  readonly progress: (text: string) => void;
}

/** Kills a replica and starts its successor. @returns milliseconds from its start to its vote */
async function restart({ cluster }: Deployment, slot: string): Promise<number> {
  await cluster.killSlot(slot);
  const startedMs = Date.now();
  await cluster.startSlot(slot);
  const { swappedMs } = await swapOf(cluster, slot, startedMs);
  await waitForStatuses(cluster, 'all slots vote', (all) => allServe(cluster, all));
  return swappedMs - startedMs;
}

/**
 * Ends all replicas at once and starts them again; the owner hands in the share that is needed.
 *
 * @returns milliseconds from the share's acceptance to the first answer to a read
 */
async function reopen(deployment: Deployment, directory: string): Promise<number> {
  const { cluster, witan, ownerKeyFile, options } = deployment;
  await Promise.all(cluster.slots.map(({ slot }) => cluster.signalSlot(slot, 'SIGKILL')));
  await Promise.all(cluster.slots.map(({ guestId }) => cluster.tee.wait(guestId)));
  for (const { slot } of cluster.slots) await cluster.startSlot(slot);
  await waitForStatuses(cluster, 'all wait for owners, and know their disks', (all) => {
    const ready = all.filter(
      ({ phase, recovery }) => phase === 'sealed' && (recovery?.shares.threshold ?? 0) > 0,
    );
    return ready.length === cluster.slots.length;
  });
  const startedMs = Date.now();
  const share = join(directory, 'alice.share.jwe');
  const handedIn = witan(['recover', '--share', share, '--key', ownerKeyFile, ...options]);
  const { loggedMs } = await logged(cluster, SHARE_ACCEPTED, startedMs);
  await handedIn;
  const client = await clientOf(cluster);
  await client.getDeployment();
  const answeredMs = Date.now();
  client.close();
  await waitForStatuses(cluster, 'all slots vote', (all) => allServe(cluster, all));
  return answeredMs - loggedMs;
}

const SHARE_ACCEPTED = (line: LogLine): boolean => line.msg === 'recovery share accepted';

/** Resident memory of each Coordinator in MiB. */
async function residentMiB({ cluster }: Deployment): Promise<readonly number[]> {
  return await Promise.all(
    cluster.slots.map(async ({ pid }) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024;
    }),
  );
}

async function measure({ runs, progress }: Settings): Promise<readonly Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), 'witan-bench-'));
  const deployment = await startDeployment(directory);
  const [restarts, openings, idle]: [number[], number[], number[]] = [[], [], []];
  try {
    const { slots } = deployment.cluster;
    for (let run = 0; run < runs; run += 1) {
      const slot = slots[run % slots.length]?.slot ?? '';
      const tookMs = await restart(deployment, slot);
      restarts.push(tookMs);
      progress(`run ${run + 1} of ${runs}: ${slot} votes after ${tookMs} ms\n`);
      if ((run + 1) % slots.length !== 0) continue;
      await sleepMs(IDLE_MS);
      const resident = await residentMiB(deployment);
      idle.push(...resident);
      progress(`idle: ${resident.map((mib) => mib.toFixed(0)).join(', ')} MiB\n`);
    }
    const { witan, options } = deployment;
    await witan(['share', 'get', '--all', '--out', directory, ...options]);
    for (let run = 0; run < runs; run += 1) {
      const tookMs = await reopen(deployment, directory);
      openings.push(tookMs);
      progress(`run ${run + 1} of ${runs}: the cluster answers ${tookMs} ms after the share\n`);
    }
  } finally {
    await deployment.cluster.shutdown();
    await rm(directory, { recursive: true, force: true });
  }
  return [
    figure('restarted process to voter', 'ms', 'lower', restarts, RESTART_MS_MAX),
    figure('total loss, from the last share to an answer', 'ms', 'lower', openings, OPEN_MS_MAX),
    figure('idle replica, resident', 'MiB', 'lower', idle, IDLE_MIB_MAX),
  ];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { runs: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const runs = Number(values.runs ?? RUNS_DEFAULT);
  if (!Number.isInteger(runs) || runs < 3) {
    process.stderr.write(`--runs is a number from 3 on\n${USAGE}`);
    return 2;
  }
  const figures = await measure({ runs, progress: (text) => process.stderr.write(text) });
  if (values.json === true) process.stdout.write(`${JSON.stringify({ figures })}\n`);
  else process.stdout.write(describeFigures(figures));
  return figures.some(({ met }) => met === false) ? 1 : 0;
}

process.exitCode = await main();
