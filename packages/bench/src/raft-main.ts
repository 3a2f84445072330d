/**
 * `npm run bench:raft`: replication against etcd on this machine, both as three processes with
 * fsync on, behind the same calls and the same client. See docs/bench-raft.md for what is compared.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkDurability } from './durability.ts';
import { ETCD_MISSING, etcdVersion, startEtcd } from './etcd-system.ts';
import { killLeader, moveLeader, type Interruption } from './interruptions.ts';
import { streamLargeSnapshot } from './large-snapshot.ts';
import { VALUE_BYTES } from './load.ts';
import { plot } from './plot.ts';
import { describe } from './report.ts';
import { soak, type SoakSample } from './soak.ts';
import type { System } from './system.ts';
import { judge, type Measured } from './targets.ts';
import { measureThroughput } from './throughput.ts';
import { startWitan } from './witan-system.ts';

const USAGE = `Usage: npm run bench:raft -- [options]

Writes of ${VALUE_BYTES} bytes to three Witan replicas and to three etcd servers in turn, on
loopback with fsync on: throughput, p50 and p99; the gap after SIGKILL of the leader and in a
planned transfer; and whether acknowledged writes survive SIGKILL of everything. Exit code 1 when
a target is missed.

  --clients LIST    numbers of clients (default 1,16,64,256; empty: no throughput)
  --runs N          runs, whose medians are shown (default 3)
  --seconds N       length of one measurement (default 5)
  --kills N         leaders killed in each system (default 3; 20 for a p99 that means something)
  --transfers N     planned transfers in each system (default 5)
  --snapshot MIB    stream a snapshot of so many MiB to a late member (default 0: not)
  --soak MINUTES    full load on Witan alone (default 0: not)
  --skip-etcd       measure Witan alone
  --dir DIRECTORY   where data is written, on the disk to measure (default: temporary files)
  --plot FILE       also draw the figures, as SVG
  --json            print JSON

Example: npm run -s bench:raft -- --runs 5 --kills 20 --json
`;

const OPTIONS = {
  clients: { type: 'string', default: '1,16,64,256' },
  runs: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '5' },
  kills: { type: 'string', default: '3' },
  transfers: { type: 'string', default: '5' },
  snapshot: { type: 'string', default: '0' },
  soak: { type: 'string', default: '0' },
  dir: { type: 'string', default: tmpdir() },
  plot: { type: 'string' },
  'skip-etcd': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

const DURABILITY_MS = 2_000;
const SOAK_SAMPLE_MS = 10_000;
const WITAN: System = { name: 'witan', start: (directory) => startWitan(directory) };
const ETCD: System = { name: 'etcd', start: startEtcd };

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function count(
  values: Values,
  name: 'runs' | 'seconds' | 'kills' | 'transfers' | 'snapshot' | 'soak',
) {
  const value = Number(values[name]);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new RangeError(`--${name} takes a number from 0 on, not ${values[name]}`);
}

async function interruptions(
  systems: readonly System[],
  directory: string,
  values: Values,
): Promise<Pick<Measured, 'kills' | 'transfers'>> {
  const kills: Partial<Record<System['name'], Interruption[]>> = {};
  for (let kill = 0; kill < count(values, 'kills'); kill += 1) {
    for (const system of systems) {
      const one = await killLeader(system, directory);
      progress(`kill ${kill + 1} ${system.name}: ${one.gapMs.toFixed(0)} ms`);
      (kills[system.name] ??= []).push(one);
    }
  }
  const transfers: Partial<Record<System['name'], readonly Interruption[]>> = {};
  for (const system of systems) {
    transfers[system.name] = await moveLeader(system, directory, count(values, 'transfers'));
    progress(`transfers ${system.name} done`);
  }
  return { kills, transfers };
}

async function measure(
  systems: readonly System[],
  directory: string,
  values: Values,
): Promise<Measured> {
  const clients = values.clients.split(',').filter(Boolean).map(Number);
  const cells = await measureThroughput({
    systems,
    clients,
    runs: clients.length === 0 ? 0 : count(values, 'runs'),
    durationMs: count(values, 'seconds') * 1_000,
    directory,
    progress,
  });
  const gaps = await interruptions(systems, directory, values);
  const durability = await checkDurability(directory, DURABILITY_MS);
  const stateMib = count(values, 'snapshot');
  const snapshot = stateMib === 0 ? undefined : await streamLargeSnapshot(directory, stateMib);
  const minutes = count(values, 'soak');
  const onSample = (sample: SoakSample): void => {
    progress(`soak ${JSON.stringify(sample)}`);
  };
  const soaked =
    minutes === 0 ? undefined : await soak(directory, minutes, SOAK_SAMPLE_MS, onSample);
  return { cells, ...gaps, durability, snapshot, soak: soaked };
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const etcd = values['skip-etcd'] ? undefined : etcdVersion();
  if (etcd === undefined && !values['skip-etcd']) {
    progress(ETCD_MISSING);
    return 2;
  }
  const systems = etcd === undefined ? [WITAN] : [WITAN, ETCD];
  const directory = await mkdtemp(join(values.dir, 'witan-bench-'));
  try {
    const measured = await measure(systems, directory, values);
    const verdicts = judge(measured);
    const machine = { cores: availableParallelism(), node: process.version, etcd };
    if (values.plot !== undefined) {
      const versions = etcd === undefined ? '' : ` and ${etcd.toLowerCase()}`;
      const subtitle = `${machine.cores} cores, fsync on, Node ${process.version}${versions}`;
      await writeFile(values.plot, plot(measured, subtitle));
    }
    process.stdout.write(
      values.json
        ? `${JSON.stringify({ machine, ...measured, verdicts }, null, 2)}\n`
        : describe(measured, verdicts),
    );
    return verdicts.every(({ met }) => met) ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

process.exitCode = await main();
