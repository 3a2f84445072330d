/**
 * Where a drill takes place: a development cluster of its own with the example deployment, a load
 * that has certificates issued all the time, and two workloads that talk to each other. The drill
 * plays the host; at the end the scene says what became of everything.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ReplicaStatus } from '@witan/client';
import { CodedError, describeError } from '@witan/core';
import type { GuestExit, ProgramSpec } from '@witan/tee-sim';
import { refuseInterrupted, type DevCluster } from '../cluster.ts';
import { startDeployment, type Deployment } from '../deployment.ts';
import { DevClusterError } from '../errors.ts';
import {
  allServe,
  clientOf,
  runInitializer,
  startLoad,
  statusesOf,
  waitForStatuses,
  type InitializerRun,
  type Load,
} from '../harness.ts';
import { sleepMs } from '../processes.ts';
import { Steps, type Facts } from '../quickstart/steps.ts';
import { MeshPair } from './mesh.ts';
import { needlesOf, type Needle } from './search.ts';
import { LogWatch } from './watch.ts';

/** How a drill is run. */
export interface DrillOptions {
  /** For everything that it makes; should be empty. */
  readonly directory: string;
  /** Text for people. */
  readonly write: (text: string) => void;
  readonly signal: AbortSignal;
  /** What runs in the slots. Default: the Coordinator. */
  readonly coordinator?: ProgramSpec;
  /** How long to wait for a cluster to become whole again, or to get on. Default 60 s. */
  readonly wholeMs?: number;
  /** Leave repetitions out. Default false. */
  readonly short?: boolean;
}

const LOAD_MS = 30 * 60_000;
/** Enough to have a request under way at any moment, and to leave the machine to the replicas. */
const LOAD_CONCURRENCY = 3;
const LOAD_PAUSE_MS = 15;
const WHOLE_MS = 60_000;

export class DrillScene {
  readonly options: DrillOptions;
  readonly deployment: Deployment;
  readonly load: Load;
  readonly mesh: MeshPair;
  readonly needles: readonly Needle[];
  readonly watch: LogWatch = new LogWatch();
  readonly failures: string[] = [];
  /** Whether two histories were seen. */
  secondHistory = false;
  /** The manifest that the owner set last. */
  manifestFile: string;
  readonly #steps: Steps;
  #manifests = 0;

  private constructor(
    options: DrillOptions,
    steps: Steps,
    parts: Pick<DrillScene, 'deployment' | 'load' | 'mesh' | 'needles'>,
  ) {
    this.options = options;
    this.#steps = steps;
    this.deployment = parts.deployment;
    this.load = parts.load;
    this.mesh = parts.mesh;
    this.needles = parts.needles;
    this.manifestFile = parts.deployment.manifestFile;
  }

  /** Starts everything. What was started is stopped where that fails. */
  static async open(options: DrillOptions): Promise<DrillScene> {
    const steps = new Steps(options.write, describe);
    const { directory, signal, coordinator } = options;
    let scene: DrillScene | undefined;
    const title = 'Start a cluster, set a manifest, let two workloads talk and a third ask';
    await steps.run('start', title, async () => {
      const deployment = await startDeployment(directory, {
        relays: true,
        signal,
        ...(coordinator === undefined ? {} : { coordinator }),
      });
      try {
        const pods = ['storefront', 'orders'].map((name) => join(directory, 'pods', name));
        for (const output of pods) await initialize(deployment, output);
        const [storefront = '', orders = ''] = pods;
        scene = new DrillScene(options, steps, {
          deployment,
          mesh: await MeshPair.open(orders, storefront, 'orders'),
          needles: [...(await needlesOf(storefront)), ...(await needlesOf(orders))],
          load: await startLoad(deployment.cluster, await deployment.initdata('orders'), {
            workload: 'orders',
            channel: 'kept',
            concurrency: LOAD_CONCURRENCY,
            pauseMs: LOAD_PAUSE_MS,
            durationMs: LOAD_MS,
          }),
        });
        await scene.load.reach(20);
        for (const { slot } of deployment.cluster.slots) {
          await scene.watch.add(deployment.cluster.layout.log(slot));
        }
        return { slots: deployment.cluster.slots.length, acknowledged: await scene.acknowledged() };
      } catch (error) {
        await deployment.cluster.shutdown().catch(() => undefined);
        throw error;
      }
    });
    if (scene === undefined) throw new Error('the scene was opened');
    return scene;
  }

  get cluster(): DevCluster {
    return this.deployment.cluster;
  }

  get steps(): Steps['reports'] {
    return this.#steps.reports;
  }

  step(name: string, title: string, body: () => Promise<Facts>): Promise<void> {
    refuseInterrupted(this.options.signal);
    return this.#steps.run(name, title, body);
  }

  /** Notes a claim that does not hold; the drill goes on. */
  claim(text: string, holds: boolean): boolean {
    if (!holds) this.failures.push(text);
    return holds;
  }

  async acknowledged(): Promise<number> {
    return (await this.load.acknowledged()).length;
  }

  /** Waits for so many more acknowledgements. */
  async more(count: number): Promise<void> {
    const { wholeMs = WHOLE_MS } = this.options;
    await this.load.reach((await this.acknowledged()) + count, wholeMs);
  }

  /** Waits until every slot votes, each by its newest process. */
  async whole(): Promise<readonly ReplicaStatus[]> {
    const { wholeMs = WHOLE_MS, signal } = this.options;
    const { cluster } = this;
    const isWhole = (all: readonly ReplicaStatus[]): boolean => allServe(cluster, all);
    return await waitForStatuses(cluster, 'all slots vote', isWhole, wholeMs, signal);
  }

  /** The leader first, then the other slots by name. */
  async byRole(): Promise<readonly [string, ...string[]]> {
    const all = await this.whole();
    const leader = all.find(({ role }) => role === 'leader')?.slot ?? all[0]?.slot ?? '';
    return [leader, ...all.map(({ slot }) => slot).filter((slot) => slot !== leader)];
  }

  /** No more than one incarnation of a slot may vote, by what any replica says (I2). */
  async claimOneEach(): Promise<void> {
    for (const { members, slot } of await statusesOf(this.cluster)) {
      const voters = members.filter(({ voter }) => voter).map((member) => member.slot);
      const claim = `${slot} sees one voter in each slot, found ${voters.join(', ')}`;
      this.claim(claim, new Set(voters).size === voters.length);
    }
  }

  /** Copies a data directory as it is now, without the lock, whether or not its process runs. */
  async image(slot: string): Promise<string> {
    const to = join(this.options.directory, 'copies', slot);
    await rm(to, { recursive: true, force: true });
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    const filter = (path: string): boolean => !/lock/i.test(basename(path));
    await cp(this.cluster.layout.data(slot), to, { recursive: true, filter });
    return to;
  }

  /** Kills a slot's process and puts an old copy in the place of its data directory. */
  async turnBack(slot: string, image: string): Promise<void> {
    await this.cluster.killSlot(slot);
    const data = this.cluster.layout.data(slot);
    await rm(data, { recursive: true, force: true });
    await cp(image, data, { recursive: true });
  }

  /** Starts a Coordinator that the cluster's own book does not know; its log is watched. */
  async launch(
    name: string,
    env: {
      readonly slot: string;
      readonly listen: string;
      readonly data: string;
      /** Default: the addresses that the slots have. */
      readonly peers?: string;
    },
  ): Promise<string> {
    const { cluster } = this;
    const log = join(this.options.directory, 'extra', `${name}.log`);
    await mkdir(dirname(log), { recursive: true, mode: 0o700 });
    await this.watch.add(log);
    const guest = await cluster.tee.launch({
      program: cluster.coordinator,
      initdata: new Uint8Array(await readFile(cluster.layout.initdata)),
      chip: `chip-${name}`,
      env: {
        WITAN_SLOT: env.slot,
        WITAN_LISTEN: env.listen,
        WITAN_PEERS:
          env.peers ?? cluster.slots.map((item) => `${item.slot}=${item.address}`).join(','),
        WITAN_DATA: env.data,
      },
      stdoutPath: log,
      stderrPath: log,
    });
    return guest.guestId;
  }

  /** How a process ended; undefined where it still runs after a while. */
  async ended(guestId: string, withinMs: number): Promise<GuestExit | undefined> {
    return await Promise.race([
      this.cluster.tee.wait(guestId),
      sleepMs(withinMs).then(() => undefined),
    ]);
  }

  /** The owner sets a manifest with another lifetime of certificates: one generation more. */
  async update(): Promise<string> {
    this.#manifests += 1;
    const manifest = JSON.parse(await readFile(this.manifestFile, 'utf8')) as {
      readonly workloads: Readonly<Record<string, { certificateLifetimeSeconds: number }>>;
    };
    for (const workload of Object.values(manifest.workloads)) {
      workload.certificateLifetimeSeconds = 43_200 - this.#manifests;
    }
    const file = join(this.options.directory, `manifest-${this.#manifests}.json`);
    await writeFile(file, JSON.stringify(manifest));
    await this.set(file);
    return file;
  }

  /** The owner sets this manifest. */
  async set(file: string): Promise<void> {
    const { witan, ownerKeyFile, options } = this.deployment;
    await witan(['set', '--manifest', file, '--owner-key', ownerKeyFile, ...options]);
    this.manifestFile = file;
  }

  /**
   * Asks for the deployment at these endpoints as somebody who keeps no floor.
   *
   * @returns the answer's commit index; undefined where there is no answer
   */
  async read(endpoints: readonly string[], timeoutMs: number): Promise<number | undefined> {
    const client = await clientOf(this.cluster, endpoints, timeoutMs);
    try {
      const deployment = await client.getDeployment();
      return deployment.kind === 'settled' ? deployment.mark.commitIndex : 0;
    } catch (error) {
      if (error instanceof CodedError) return undefined;
      throw error;
    } finally {
      client.close();
    }
  }

  /** Stops everything that this scene has started. */
  async close(): Promise<void> {
    this.mesh.close();
    await this.cluster.shutdown().catch(() => undefined);
  }
}

/** Fetches a workload's credentials, where they are not there yet. */
export async function initialize(
  deployment: Deployment,
  output: string,
  change: { readonly workload?: string; readonly endpoints?: readonly string[] } = {},
): Promise<InitializerRun> {
  const name = output.split('/').at(-1) ?? '';
  const run = await runInitializer(deployment.cluster, {
    name,
    initdata: await deployment.initdata(change.workload ?? name),
    endpoints: change.endpoints ?? deployment.cluster.endpoints,
    output,
  });
  if (run.exit.exitCode === 0) return run;
  const fields = { expected: `credentials of ${name}`, found: run.log.slice(-1_000) };
  throw new DevClusterError('DEVCLUSTER_STEP_FAILED', 'an initializer failed', { fields });
}

/** An error for people. */
export function describe(error: unknown): string {
  if (error instanceof CodedError) return describeError(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
