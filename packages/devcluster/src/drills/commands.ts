/** `witan drill …`: attacks by a host, for real, on a development cluster that they start. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { finish, type CommandContext, type Json, type RunCommand } from '@witan/cli';
import { DevClusterError } from '../errors.ts';
import { DRILL_NAMES, describeReport, type DrillName, type DrillReport } from './report.ts';
import { runDrill } from './run.ts';

interface DrillCommandOptions {
  readonly directory?: string;
  readonly json?: boolean;
}

const DESCRIPTIONS: Readonly<Record<DrillName, string>> = {
  rollback: 'put old disks back, also where an old disk and an old log would be a majority',
  clone: 'run a slot’s replica a second time: on its disk, on a copy, under its name',
  zombie: 'bring a replica back after it was replaced, and the disk that it had',
  pause: 'stop the leader past an election, and let it go on with reads at its door',
  'total-loss': 'end all replicas, put all disks back, and leave one alone; owners recover',
  'double-genesis': 'let fresh pods found a second cluster, beside the old one and in its place',
};

/** Adds the group `drill`. */
export function addDrillCommands(program: Command, run: RunCommand): void {
  const drill = program
    .command('drill')
    .description('attacks by a host on a development cluster that is started for them');
  for (const name of DRILL_NAMES) {
    finish(
      drill
        .command(name)
        .description(DESCRIPTIONS[name])
        .option('--directory <dir>', 'put everything here and keep it; default: a temporary one'),
      `witan drill ${name} --json`,
    ).action((options: DrillCommandOptions) =>
      run(options, (context) => drillCommand(context, options, name)),
    );
  }
}

/** @throws DevClusterError DEVCLUSTER_DRILL_FAILED after the report was printed */
async function drillCommand(
  context: CommandContext,
  options: DrillCommandOptions,
  name: DrillName,
): Promise<void> {
  const { printer, signal } = context;
  const report = await drillIn(options.directory, name, (text) => printer.note(text), signal);
  printer.result(
    JSON.parse(JSON.stringify(report)) as { readonly [name: string]: Json },
    describeReport(report),
  );
  refuseFailed([report]);
}

/**
 * Runs a drill in a directory of its own, which is removed afterwards unless one is named.
 *
 * @param directory where to put everything and leave it
 */
export async function drillIn(
  directory: string | undefined,
  name: DrillName,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<DrillReport> {
  const own = directory === undefined ? await mkdtemp(join(tmpdir(), 'witan-drill-')) : '';
  const place = own === '' ? resolve(directory ?? '') : own;
  await mkdir(place, { recursive: true, mode: 0o700 });
  try {
    return await runDrill(name, { directory: place, write, signal });
  } finally {
    if (own !== '') await rm(own, { recursive: true, force: true });
  }
}

/** @throws DevClusterError DEVCLUSTER_DRILL_FAILED naming what did not hold */
export function refuseFailed(reports: readonly DrillReport[]): void {
  const failures = reports.flatMap(({ drill, failures: claims }) =>
    claims.map((claim) => `${drill}: ${claim}`),
  );
  if (failures.length === 0) return;
  const message = 'something did not hold that must hold against a host';
  const fields = { found: failures.join('; ').slice(0, 2_000) };
  throw new DevClusterError('DEVCLUSTER_DRILL_FAILED', message, { fields });
}
