/** `witan dev …`: a development cluster in a directory. Only the repository's `witan` has it. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  describeStatuses,
  finish,
  type CommandContext,
  type Json,
  type RunCommand,
} from '@witan/cli';
import { collectInGuest } from './collect.ts';
import { attachCluster, downCluster, refuseInterrupted, upCluster } from './cluster.ts';
import { DevClusterError } from './errors.ts';
import { clientOf, waitForStatuses } from './harness.ts';
import type { SlotState } from './layout.ts';
import { isRunning } from './processes.ts';
import { resizeCluster } from './resize.ts';
import { TEE_CHOICES, type Tee } from './reference-values.ts';

interface DirectoryOptions {
  readonly directory: string;
  readonly json?: boolean;
}

interface UpOptions extends DirectoryOptions {
  readonly slots: string;
  readonly tee: string;
}

interface StartOptions extends DirectoryOptions {
  readonly tee?: string;
}

interface CollectOptions extends DirectoryOptions {
  readonly tee: string;
  readonly reportData?: string;
  readonly nonce?: string;
  readonly out: string;
}

interface DownOptions extends DirectoryOptions {
  readonly keepFiles?: boolean;
}

const DIRECTORY = '.witan/dev';
const SLOT_COUNTS = ['1', '3', '5', '7'];
const TEES: readonly Tee[] = ['snp', 'tdx'];
/** A founding has one kind of hardware; the manifest lets the other in. */
const MIXED_HINT =
  'Founded on SEV-SNP; the reference values list TDX too. Once a manifest is in force:\n' +
  '  witan dev kill witan-0 && witan dev start witan-0 --tee tdx\n';

/** Adds the group `dev`. */
export function addDevCommands(program: Command, run: RunCommand): void {
  const dev = program
    .command('dev')
    .description('a development cluster on this machine, with a simulated TEE');
  const inDirectory = (command: Command): Command =>
    command.option('--directory <dir>', 'where the cluster keeps its files', DIRECTORY);
  finish(
    inDirectory(dev.command('up').description('start a cluster and wait until it is founded'))
      .option('--slots <n>', 'number of Coordinators: 1, 3, 5 or 7', '3')
      .option('--tee <kind>', 'what they run on: snp, tdx, or mixed (founded on snp)', 'snp'),
    'witan dev up --directory .witan/dev',
  ).action((options: UpOptions) => run(options, (context) => up(context, options)));
  finish(
    inDirectory(dev.command('down').description('stop the cluster and remove its files')).option(
      '--keep-files',
      'leave keys, logs and sealed journals where they are',
    ),
    'witan dev down',
  ).action((options: DownOptions) => run(options, (context) => down(context, options)));
  finish(
    inDirectory(dev.command('status').description('processes and replicas of the cluster')),
    'witan dev status --json',
  ).action((options: DirectoryOptions) => run(options, (context) => status(context, options)));
  for (const [name, description, signal] of [
    ['kill', 'kill a slot’s process without warning', 'SIGKILL'],
    ['stop', 'stop a slot’s process in order', 'SIGTERM'],
  ] as const) {
    finish(
      inDirectory(dev.command(`${name} <slot>`).description(description)),
      `witan dev ${name} witan-1`,
    ).action((slot: string, options: DirectoryOptions) =>
      run(options, (context) => end(context, options, slot, name, signal)),
    );
  }
  finish(
    inDirectory(dev.command('start <slot>').description('start a new process for a slot')).option(
      '--tee <kind>',
      'what it runs on: snp or tdx; as before when left out',
    ),
    'witan dev start witan-1',
  ).action((slot: string, options: StartOptions) =>
    run(options, (context) => start(context, options, slot)),
  );
  finish(
    inDirectory(
      dev
        .command('slots <n>')
        .description(
          'addresses and configuration for 1, 3, 5 or 7 slots; owners decide on members',
        ),
    ),
    'witan dev slots 5',
  ).action((count: string, options: DirectoryOptions) =>
    run(options, (context) => resize(context, options, count)),
  );
  const evidence = dev.command('evidence').description('evidence of simulated guests');
  finish(
    inDirectory(evidence.command('collect').description('collect evidence in a guest of its own'))
      .option('--tee <kind>', 'what the guest runs on: snp or tdx', 'snp')
      .option('--report-data <hex>', 'the 64 bytes to carry, as they are')
      .option('--nonce <text>', 'a text of the verifier; hashed under a label. Default random')
      .requiredOption('--out <file>', 'write it here'),
    'witan dev evidence collect --tee tdx --out evidence.bin',
  ).action((options: CollectOptions) => run(options, (context) => collect(context, options)));
}

async function up(context: CommandContext, options: UpOptions): Promise<void> {
  const slotCount = slotCountOf(options.slots);
  const tee = oneOf(TEE_CHOICES, options.tee);
  const cluster = await upCluster({
    tee,
    directory: options.directory,
    slotCount,
    exitWithParent: false,
    signal: context.signal,
    onProgress: (text) => {
      context.printer.note(`${text}\n`);
    },
  });
  try {
    context.printer.note('waiting until they have attested each other\n');
    const statuses = await waitForStatuses(
      cluster,
      'a founded cluster with a leader',
      (all) => all.length === slotCount && all.every(({ leader }) => leader !== ''),
      30_000,
      context.signal,
    );
    const endpoints = cluster.endpoints.join(',');
    const { referenceValues, directory } = cluster.layout;
    context.printer.result(
      {
        ok: true,
        simulated: true,
        directory,
        endpoints: cluster.endpoints,
        referenceValues,
        clusterId: statuses[0]?.clusterId ?? '',
        slots: cluster.slots.map((state) => pick(state)),
      },
      `Cluster of ${slotCount} founded. SIMULATED TEE: for development only.\n` +
        `  export WITAN_ENDPOINTS=${endpoints}\n` +
        `  reference values  ${referenceValues}\n` +
        'Next: witan generate, then witan set. Stop with: witan dev down\n' +
        (tee === 'mixed' ? MIXED_HINT : ''),
    );
  } catch (error) {
    await cluster.shutdown().catch(() => undefined);
    refuseInterrupted(context.signal);
    throw error;
  } finally {
    cluster.tee.close();
  }
}

async function down(context: CommandContext, options: DownOptions): Promise<void> {
  await downCluster(options.directory, options.keepFiles === true);
  const directory = resolve(options.directory);
  context.printer.result({ ok: true, directory }, `Stopped. ${directory}\n`);
}

async function status(context: CommandContext, options: DirectoryOptions): Promise<void> {
  const cluster = await attachCluster(options.directory);
  const client = await clientOf(cluster, cluster.endpoints, 2_000);
  try {
    const answers = await client.getStatus();
    const processes = cluster.slots.map(({ slot, pid, address, tee }) => ({
      slot,
      pid,
      address,
      tee,
      running: isRunning(pid),
    }));
    const replicas = answers.map((answer) =>
      answer.kind === 'ok' ? answer.status : { endpoint: answer.endpoint, code: answer.error.code },
    );
    context.printer.result(
      // Statuses are plain data.
      {
        ok: true,
        simulated: true,
        processes,
        replicas: JSON.parse(JSON.stringify(replicas)) as Json,
      },
      `${describeStatuses(answers)}${processes
        .map(
          ({ slot, pid, tee, running }) =>
            `${slot}: pid ${pid}, ${tee}${running ? '' : ' (ended)'}`,
        )
        .join('\n')}\nsimulated TEE: pid ${cluster.teeSimPid}\n`,
    );
  } finally {
    client.close();
    cluster.tee.close();
  }
}

async function end(
  context: CommandContext,
  options: DirectoryOptions,
  slot: string,
  verb: 'kill' | 'stop',
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  const cluster = await attachCluster(options.directory);
  try {
    await cluster.signalSlot(slot, signal);
    await cluster.tee.wait(cluster.slot(slot).guestId);
    const { pid } = cluster.slot(slot);
    const past = verb === 'kill' ? 'killed' : 'stopped';
    context.printer.result({ ok: true, slot, pid, verb: past }, `${slot} ${past} (pid ${pid})\n`);
  } finally {
    cluster.tee.close();
  }
}

async function start(context: CommandContext, options: StartOptions, slot: string): Promise<void> {
  const cluster = await attachCluster(options.directory);
  try {
    const wanted = options.tee === undefined ? {} : { tee: oneOf(TEES, options.tee) };
    const { pid, tee } = await cluster.startSlot(slot, wanted);
    const text = `${slot} started on ${tee} (pid ${pid})\n`;
    context.printer.result({ ok: true, slot, pid, tee, verb: 'started' }, text);
  } finally {
    cluster.tee.close();
  }
}

async function resize(
  context: CommandContext,
  options: DirectoryOptions,
  count: string,
): Promise<void> {
  const cluster = await attachCluster(options.directory);
  try {
    await resizeCluster(cluster, slotCountOf(count));
    const slots = cluster.slots.map(({ slot }) => slot);
    const { referenceValues } = cluster.layout;
    context.printer.result(
      { ok: true, slots, endpoints: cluster.endpoints, referenceValues },
      `Slots: ${slots.join(', ')}\n  export WITAN_ENDPOINTS=${cluster.endpoints.join(',')}\n` +
        'Where slots were added: set a manifest with the reference values, then\n' +
        '  witan cluster scale, and witan dev start for each\n',
    );
  } finally {
    cluster.tee.close();
  }
}

async function collect(context: CommandContext, options: CollectOptions): Promise<void> {
  const tee = oneOf(TEES, options.tee);
  const collected = await collectInGuest({ ...options, tee });
  const { out, reportData, trustRoot } = collected;
  context.printer.result(
    { ok: true, simulated: true, tee, ...collected },
    `Evidence written: ${out}. SIMULATED TEE: for development only.\nVerify it with\n` +
      `  witan evidence verify ${out} --trust-root ${trustRoot} --report-data ${reportData}\n`,
  );
}

/** @throws DevClusterError DEVCLUSTER_SLOT_UNKNOWN */
function slotCountOf(text: string): number {
  if (SLOT_COUNTS.includes(text)) return Number(text);
  const fields = { expected: SLOT_COUNTS.join(', '), found: text.slice(0, 32) };
  throw new DevClusterError('DEVCLUSTER_SLOT_UNKNOWN', 'no such number of slots', { fields });
}

/** @throws DevClusterError DEVCLUSTER_TEE_UNKNOWN */
function oneOf<Kind extends string>(kinds: readonly Kind[], found: string): Kind {
  const kind = kinds.find((known) => known === found);
  if (kind !== undefined) return kind;
  const fields = { expected: kinds.join(', '), found: found.slice(0, 32) };
  throw new DevClusterError('DEVCLUSTER_TEE_UNKNOWN', 'no such TEE', { fields });
}

function pick({ slot, address, pid, tee }: SlotState): Json {
  return { slot, address, pid, tee };
}
