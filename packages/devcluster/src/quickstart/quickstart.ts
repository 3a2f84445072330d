/**
 * The quickstart: the whole life of a deployment on one machine, each step for real and in
 * processes of its own. Whatever does not happen ends the run with exit code 1.
 */
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, describeError } from '@witan/core';
import { REPOSITORY_ROOT } from '@witan/tee-sim';
import { upCluster, type DevCluster } from '../cluster.ts';
import { DevClusterError } from '../errors.ts';
import {
  allServe,
  clientOf,
  interruptionMs,
  LOAD_PROGRAM,
  runInitializer,
  startLoad,
  statusesOf,
  waitForStatuses,
  type Acknowledged,
} from '../harness.ts';
import { acceptedTees, foundingTee, type Tee, type TeeChoice } from '../reference-values.ts';
import { callMesh, serveMesh } from './mesh.ts';
import { factsOfSet } from './json.ts';
import { countPeerChannels } from './peer-channels.ts';
import { Steps, type Facts, type StepReport } from './steps.ts';
import type { RunCli } from './witan.ts';

/** How the quickstart is run. */
export interface QuickstartOptions {
  /** Directory for everything that it makes; emptied first. */
  readonly directory: string;
  /** Leave the cluster running at the end. */
  readonly keep: boolean;
  /** What it runs on. */
  readonly tee: TeeChoice;
  /** Text for people. */
  readonly write: (text: string) => void;
  /** Runs a `witan` command and gives its JSON. */
  readonly witan: RunCli;
  readonly signal: AbortSignal;
}

/** The summary. */
export interface QuickstartSummary {
  readonly ok: boolean;
  readonly simulated: true;
  readonly tee: TeeChoice;
  readonly durationMs: number;
  readonly steps: readonly StepReport[];
  readonly clusterId: string;
  readonly directory: string;
  /** Present where the cluster was left running. */
  readonly endpoints?: readonly string[];
}

const DEPLOYMENT = join(REPOSITORY_ROOT, 'deploy/examples/shop.yaml');
const SLOTS = 3;
/** Certificates asked for at once during the kill. */
const LOAD_CONCURRENCY = 6;
const LOAD_BEFORE_KILL = 60;
const LOAD_AFTER_KILL = 60;

/** Runs all steps; never rejects. */
export async function quickstart(options: QuickstartOptions): Promise<QuickstartSummary> {
  const startMs = performance.now();
  const steps = new Steps(options.write, describe);
  const run = new Run(options, steps);
  let ok = false;
  try {
    await run.all();
    ok = true;
  } catch (error) {
    if (!steps.reports.some(({ outcome }) => outcome === 'failed')) {
      options.write(`\nFAILED: ${describe(error)}\n`);
    }
  }
  const keep = ok && options.keep;
  const endpoints = run.cluster?.endpoints;
  if (!keep) await run.cluster?.shutdown().catch(() => undefined);
  run.cluster?.tee.close();
  return {
    ok,
    simulated: true,
    tee: options.tee,
    durationMs: Math.round(performance.now() - startMs),
    steps: steps.reports,
    clusterId: run.clusterId,
    directory: options.directory,
    ...(keep && endpoints !== undefined ? { endpoints } : {}),
  };
}

function describe(error: unknown): string {
  if (error instanceof CodedError) return describeError(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

class Run {
  cluster: DevCluster | undefined;
  clusterId = '';
  readonly #options: QuickstartOptions;
  readonly #steps: Steps;
  readonly #made: string;
  /** Slot of the leader that was killed. */
  #killed = '';

  constructor(options: QuickstartOptions, steps: Steps) {
    this.#options = options;
    this.#steps = steps;
    this.#made = join(options.directory, 'deployment');
  }

  async all(): Promise<void> {
    const { directory } = this.#options;
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await this.#step('start', 'Start the simulated TEE and three Coordinators', () =>
      this.#start(),
    );
    await this.#step('found', 'They attest each other and found a cluster', () => this.#found());
    await this.#step('owner', 'Create the data owner’s key', () => this.#owner());
    await this.#step('generate', 'Generate a manifest from deploy/examples/shop.yaml', () =>
      this.#generate(),
    );
    await this.#step('set', 'Set it: the first manifest of the cluster', () => this.#set());
    await this.#step('initialize', 'Two attested workloads fetch certificate and secrets', () =>
      this.#initialize(),
    );
    await this.#step('mesh', 'The two workloads talk over mutual TLS', () => this.#mesh());
    await this.#step('failover', 'Kill the leader amid a stream of certificate requests', () =>
      this.#failover(),
    );
    await this.#step('replace', 'A new process fills the slot, as a new incarnation', () =>
      this.#replace(),
    );
    await this.#step('verify', 'Verify everything as the data owner', () => this.#verify());
  }

  #step(name: string, title: string, body: () => Promise<Facts>): Promise<void> {
    this.#options.signal.throwIfAborted();
    return this.#steps.run(name, title, body);
  }

  #running(): DevCluster {
    if (this.cluster === undefined) throw new Error('the cluster was started');
    return this.cluster;
  }

  async #start(): Promise<Facts> {
    const { directory, keep, tee } = this.#options;
    this.cluster = await upCluster({
      tee,
      directory: join(directory, 'cluster'),
      slotCount: SLOTS,
      exitWithParent: !keep,
      extraPrograms: [LOAD_PROGRAM],
    });
    const { slots, teeSimPid } = this.cluster;
    return {
      'simulated TEE': `pid ${teeSimPid}`,
      ...Object.fromEntries(
        slots.map(({ slot, pid, address, tee: kind }) => [
          slot,
          `pid ${pid} on ${kind} at ${address}`,
        ]),
      ),
    };
  }

  async #found(): Promise<Facts> {
    const cluster = this.#running();
    const statuses = await waitForStatuses(
      cluster,
      'a founded cluster with a leader',
      (all) =>
        all.length === SLOTS &&
        all.every(({ phase, leader }) => phase === 'founded' && leader !== ''),
    );
    const [first] = statuses;
    if (first === undefined) throw new Error('statuses are there');
    this.clusterId = first.clusterId;
    const channels = await countPeerChannels(cluster);
    return {
      'cluster id': first.clusterId,
      leader: first.leader,
      'channels between replicas, attested both ways': channels,
      ...Object.fromEntries(
        statuses.map(({ slot, incarnation }) => [slot, `incarnation ${incarnation.slice(0, 16)}…`]),
      ),
      'on disk before the first manifest': 'nothing',
    };
  }

  async #owner(): Promise<Facts> {
    const { witan } = this.#options;
    await witan(['owner', 'create', '--name', 'alice', '--out', join(this.#made, 'owner')]);
    const { mode } = await stat(join(this.#made, 'owner', 'alice.key.pem'));
    return { key: 'alice.key.pem', mode: `0${(mode & 0o777).toString(8)}` };
  }

  async #generate(): Promise<Facts> {
    const { witan } = this.#options;
    await witan([
      'generate',
      '-f',
      DEPLOYMENT,
      '--reference-values',
      this.#running().layout.referenceValues,
      '--owner',
      join(this.#made, 'owner', 'alice.pub.pem'),
      '--out',
      this.#made,
    ]);
    const manifest = JSON.parse(await readFile(this.#manifestFile(), 'utf8')) as {
      readonly workloads: Readonly<Record<string, { readonly secrets?: readonly string[] }>>;
    };
    const names = Object.entries(manifest.workloads).map(([name, { secrets = [] }]) =>
      secrets.length === 0 ? name : `${name} (secrets: ${secrets.join(', ')})`,
    );
    return { workloads: names.join(', ') };
  }

  async #set(): Promise<Facts> {
    const result = await this.#options.witan([
      'set',
      '--manifest',
      this.#manifestFile(),
      '--owner-key',
      join(this.#made, 'owner', 'alice.key.pem'),
      ...this.#endpointOptions(),
    ]);
    await waitForStatuses(
      this.#running(),
      'generation 1 everywhere',
      (all) => all.length === SLOTS && all.every(({ generation }) => generation === 1),
    );
    return factsOfSet(result);
  }

  async #initialize(): Promise<Facts> {
    const cluster = this.#running();
    const [first, second] = cluster.endpoints;
    const runs = await Promise.all([
      this.#initializeOne('storefront', first ?? '', foundingTee(this.#options.tee)),
      // The last kind of the list is the other one in a mixed cluster.
      this.#initializeOne('orders', second ?? '', this.#otherTee()),
    ]);
    return Object.fromEntries(runs);
  }

  #otherTee(): Tee {
    return acceptedTees(this.#options.tee).at(-1) ?? 'snp';
  }

  async #initializeOne(name: string, endpoint: string, tee: Tee): Promise<[string, string]> {
    const output = this.#credentials(name);
    const { exit, log } = await runInitializer(this.#running(), {
      name,
      initdata: await this.#initdata(name),
      endpoints: [endpoint],
      output,
      hardware: { tee },
    });
    if (exit.exitCode !== 0) throw failed(`initializer of ${name} exits with 0`, log);
    const { mode } = await stat(join(output, 'key.pem'));
    if ((mode & 0o777) !== 0o400) throw failed('key.pem has mode 0400', (mode & 0o777).toString(8));
    for (const file of ['cert.pem', 'ca.pem', 'mesh-ca.pem']) await stat(join(output, file));
    return [name, `on ${tee}: certificate, key (0400), CA and secrets from ${endpoint}`];
  }

  async #mesh(): Promise<Facts> {
    const server = await serveMesh(this.#credentials('orders'));
    try {
      const { client, server: seen } = await callMesh(
        this.#credentials('storefront'),
        server.port,
        'orders',
      );
      const expected = ['/workload/storefront', '/workload/orders'];
      if (!client.endsWith(expected[0] ?? '') || !seen.endsWith(expected[1] ?? '')) {
        throw failed(expected.join(' and '), `${client} and ${seen}`);
      }
      return { 'storefront saw': seen, 'orders saw': client };
    } finally {
      server.stop();
    }
  }

  async #failover(): Promise<Facts> {
    const cluster = this.#running();
    const load = await startLoad(cluster, await this.#initdata('orders'), {
      workload: 'orders',
      channel: 'kept',
      concurrency: LOAD_CONCURRENCY,
      durationMs: 60_000,
    });
    await load.reach(LOAD_BEFORE_KILL);
    // On a busy machine an election may be under way just now.
    const statuses = await waitForStatuses(cluster, 'a leader', (all) =>
      all.some(({ role }) => role === 'leader'),
    );
    const leader = statuses.find(({ role }) => role === 'leader');
    if (leader === undefined) throw failed('a leader', 'none');
    const before = (await load.acknowledged()).length;
    const killedMs = performance.timeOrigin + performance.now();
    await cluster.killSlot(leader.slot);
    await load.reach(before + LOAD_AFTER_KILL);
    const acknowledged = await load.stop();
    const lost = await this.#countLost(acknowledged);
    if (lost > 0) throw failed('nothing acknowledged is lost', `${lost} certificates are unknown`);
    this.#killed = leader.slot;
    return {
      killed: `${leader.slot} (leader, SIGKILL)`,
      'writes interrupted, ms': Math.round(interruptionMs(acknowledged, killedMs)),
      acknowledged: acknowledged.length,
      'acknowledged and lost': lost,
    };
  }

  async #countLost(acknowledged: readonly Acknowledged[]): Promise<number> {
    const client = await clientOf(this.#running());
    try {
      const serials = acknowledged.map(({ serial }) => serial);
      const known = new Set((await client.getIdentities(serials)).map(({ serial }) => serial));
      return serials.filter((serial) => !known.has(serial)).length;
    } finally {
      client.close();
    }
  }

  async #replace(): Promise<Facts> {
    const cluster = this.#running();
    const slot = this.#killed;
    const before = await statusesOf(cluster);
    const old = before.flatMap(({ members }) => members).find((member) => member.slot === slot);
    const startMs = performance.now();
    const { tee } = await cluster.startSlot(slot, { tee: this.#otherTee() });
    const after = await waitForStatuses(cluster, `${slot} votes again`, (all) =>
      allServe(cluster, all),
    );
    const swapMs = Math.round(performance.now() - startMs);
    const reborn = after.find((status) => status.slot === slot);
    if (reborn === undefined || reborn.incarnation === old?.incarnation) {
      throw failed('a new incarnation', String(reborn?.incarnation));
    }
    return {
      slot,
      'runs on': tee,
      'old incarnation': `${old?.incarnation.slice(0, 16) ?? ''}… (removed)`,
      'new incarnation': `${reborn.incarnation.slice(0, 16)}… (voter)`,
      'process start to voter, ms': swapMs,
    };
  }

  async #verify(): Promise<Facts> {
    const result = await this.#options.witan([
      'verify',
      '--manifest',
      this.#manifestFile(),
      ...this.#endpointOptions(),
    ]);
    const checks = (result['checks'] ?? []) as readonly {
      readonly name: string;
      readonly kind: string;
    }[];
    const replicas = (result['replicas'] ?? []) as readonly { readonly platform?: string }[];
    return {
      platforms: replicas.map(({ platform }) => platform ?? '?').join(', '),
      checks: checks.map(({ name, kind }) => `${name} ${kind}`).join(', '),
    };
  }

  #endpointOptions(): readonly string[] {
    return [
      '--endpoint',
      this.#running().endpoints.join(','),
      '--config-dir',
      join(this.#options.directory, 'config'),
    ];
  }

  #manifestFile(): string {
    return join(this.#made, 'manifest.json');
  }

  #credentials(workload: string): string {
    return join(this.#options.directory, 'pods', workload);
  }

  async #initdata(workload: string): Promise<Uint8Array> {
    return new Uint8Array(await readFile(join(this.#made, 'initdata', `${workload}.toml`)));
  }
}

function failed(expected: string, found: string): DevClusterError {
  return new DevClusterError('DEVCLUSTER_STEP_FAILED', 'the step did not happen', {
    fields: { expected, found },
  });
}
