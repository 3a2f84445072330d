/**
 * A development cluster: the simulated hardware and Coordinators that it has launched, each a real
 * process with its own data directory. Nothing here is trusted by anybody: it plays the host.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  connectTeeSim,
  type GuestExit,
  type HardwarePlan,
  type ProgramSpec,
  type TeeSimClient,
} from '@witan/tee-sim';
import { DevClusterError } from './errors.ts';
import {
  layoutOf,
  readClusterFile,
  writeClusterFile,
  type ClusterFile,
  type Layout,
  type SlotState,
} from './layout.ts';
import { freePorts, isRunning, startTeeSim } from './processes.ts';
import {
  coordinatorValuesOf,
  developmentRootsOf,
  foundingTee,
  writeReferenceValues,
  type Tee,
  type TeeChoice,
} from './reference-values.ts';
import { Relay } from './relay.ts';

/** What cluster to start, and how. */
export interface UpOptions {
  readonly directory: string;
  /** Number of slots: 1, 3, 5 or 7. */
  readonly slotCount: number;
  /** What it runs on. Default `snp`. */
  readonly tee?: TeeChoice;
  /** Lets launches forge what a host cannot choose. Default false. */
  readonly allowOverrides?: boolean;
  /** Stop everything when this process ends, however it ends. */
  readonly exitWithParent: boolean;
  /** The sealing provider in the Coordinators' measured configuration. Default: none. */
  readonly sealing?: unknown;
  /** Puts a relay of this process in front of every slot, so that a test can play the network. */
  readonly relays?: boolean;
  /** Further programs that workloads of this cluster may be, beside the initializer. */
  readonly extraPrograms?: readonly ProgramSpec[];
  /** What runs in the slots. Default: the Coordinator. */
  readonly coordinator?: ProgramSpec;
  readonly onProgress?: (text: string) => void;
  /** Stops the start, and whatever was started. */
  readonly signal?: AbortSignal;
}

/** Starts a cluster. Returns when all Coordinators run; founding takes a moment more. */
export async function upCluster(options: UpOptions): Promise<DevCluster> {
  const layout = layoutOf(options.directory);
  const progress = options.onProgress ?? (() => undefined);
  await refuseSecond(layout);
  await mkdir(layout.directory, { recursive: true, mode: 0o700 });
  progress('starting the simulated TEE');
  const { exitWithParent, allowOverrides = false, tee: choice = 'snp' } = options;
  const { client, pid } = await startTeeSim(layout, { exitWithParent, allowOverrides });
  const stop = (): void => {
    void client.shutdown().catch(() => undefined);
  };
  options.signal?.addEventListener('abort', stop, { once: true });
  try {
    const slots = Array.from({ length: options.slotCount }, (_, index) => `witan-${index}`);
    const ports = await freePorts(slots.length * 2);
    const hidden = options.relays === true ? ports.slice(slots.length) : [];
    const initdata = `${JSON.stringify(
      {
        apiVersion: 'witan.dev/v1',
        kind: 'Coordinator',
        slots,
        developmentRoots: await developmentRootsOf(client, choice),
        ...(choice === 'mixed' ? { peers: await coordinatorValuesOf(client, choice) } : {}),
        sealing: options.sealing,
      },
      null,
      2,
    )}\n`;
    await writeFile(layout.initdata, initdata, { mode: 0o600 });
    const addresses = slots.map((slot, index) => [slot, `127.0.0.1:${ports[index] ?? 0}`] as const);
    const endpoints = addresses.map(([, address]) => address);
    const workloadPrograms = ['initializer', ...(options.extraPrograms ?? [])];
    const { coordinator } = options;
    const plan = { choice, initdata: [initdata], endpoints, workloadPrograms };
    await writeReferenceValues(layout, client, {
      ...plan,
      coordinator: coordinator ?? 'coordinator',
    });
    const cluster = new DevCluster(layout, client, {
      teeSimPid: pid,
      tee: choice,
      ...(coordinator === undefined ? {} : { coordinator }),
      slots: addresses.map(([slot, address], index) => {
        const listen = `127.0.0.1:${hidden[index] ?? ports[index] ?? 0}`;
        return { slot, address, listen, tee: foundingTee(choice), guestId: '', pid: 0 };
      }),
    });
    for (const [index, slot] of slots.entries()) {
      const [from, to] = [ports[index], hidden[index]];
      if (from !== undefined && to !== undefined) {
        cluster.relays.set(slot, await Relay.listen(from, to));
      }
    }
    for (const slot of slots) {
      refuseInterrupted(options.signal);
      progress(`starting ${slot}`);
      await cluster.startSlot(slot);
    }
    return cluster;
  } catch (error) {
    await client.shutdown().catch(() => undefined);
    client.close();
    refuseInterrupted(options.signal);
    throw error;
  }
}

/** Connects to a cluster that runs. @throws DevClusterError DEVCLUSTER_NOT_RUNNING */
export async function attachCluster(directory: string): Promise<DevCluster> {
  const layout = layoutOf(directory);
  const file = await readClusterFile(layout);
  try {
    return new DevCluster(layout, await connectTeeSim(layout.tee), file);
  } catch (cause) {
    const message = 'the cluster of this directory has stopped; `witan dev down` cleans up';
    const fields = { directory: layout.directory };
    throw new DevClusterError('DEVCLUSTER_NOT_RUNNING', message, { fields, cause });
  }
}

/** Stops a cluster and removes its directory, unless `keepFiles`. */
export async function downCluster(directory: string, keepFiles: boolean): Promise<void> {
  const layout = layoutOf(directory);
  const file = await readClusterFile(layout);
  const cluster = await attachCluster(directory).catch(() => undefined);
  await cluster?.shutdown();
  if (cluster === undefined && isRunning(file.teeSimPid)) process.kill(file.teeSimPid, 'SIGTERM');
  await rm(layout.state, { force: true });
  if (!keepFiles) await rm(layout.directory, { recursive: true, force: true });
}

/** A running development cluster, as the host sees it. */
export class DevCluster {
  readonly layout: Layout;
  readonly tee: TeeSimClient;
  /** By slot; only with `relays`. They live in the process that started the cluster. */
  readonly relays: Map<string, Relay> = new Map();
  #file: ClusterFile;

  constructor(layout: Layout, tee: TeeSimClient, file: ClusterFile) {
    this.layout = layout;
    this.tee = tee;
    this.#file = file;
  }

  get slots(): readonly SlotState[] {
    return this.#file.slots;
  }

  get endpoints(): readonly string[] {
    return this.#file.slots.map(({ address }) => address);
  }

  /** What it was started to run on. */
  get teeChoice(): TeeChoice {
    return this.#file.tee;
  }

  /** What runs in the slots. */
  get coordinator(): string | ProgramSpec {
    return this.#file.coordinator ?? 'coordinator';
  }

  get teeSimPid(): number {
    return this.#file.teeSimPid;
  }

  /** @throws DevClusterError DEVCLUSTER_SLOT_UNKNOWN */
  slot(name: string): SlotState {
    const found = this.#file.slots.find(({ slot }) => slot === name);
    if (found !== undefined) return found;
    const expected = this.#file.slots.map(({ slot }) => slot).join(', ');
    const fields = { expected, found: name };
    throw new DevClusterError('DEVCLUSTER_SLOT_UNKNOWN', 'no such slot', { fields });
  }

  /** Takes over another list of slots; starts and stops nothing. */
  async setSlots(slots: readonly SlotState[]): Promise<void> {
    this.#file = { ...this.#file, slots };
    await writeClusterFile(this.layout, this.#file);
  }

  /** Launches a new process for a slot: a new incarnation on the slot's data directory. */
  async startSlot(
    name: string,
    change: {
      readonly dataDirectory?: string;
      readonly listen?: string;
      /** Default: what the slot ran on before. */
      readonly tee?: Tee;
      /** Hardware that is not as it should be; decides over `tee`. */
      readonly hardware?: HardwarePlan;
      /** Another version of the Coordinator, and the file with its measured configuration. */
      readonly version?: { readonly program: ProgramSpec; readonly initdataFile: string };
      /** Further settings, as the host gives them. */
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<SlotState> {
    const { slot, address, tee: before, ...known } = this.slot(name);
    const listen = change.listen ?? known.listen;
    const hardware = change.hardware ?? { tee: change.tee ?? before };
    const log = this.layout.log(slot);
    await mkdir(dirname(log), { recursive: true, mode: 0o700 });
    const peers = this.#file.slots.map((item) => `${item.slot}=${item.address}`).join(',');
    const guest = await this.tee.launch({
      ...hardware,
      program: change.version?.program ?? this.coordinator,
      initdata: new Uint8Array(
        await readFile(change.version?.initdataFile ?? this.layout.initdata),
      ),
      chip: `chip-${slot}`,
      env: {
        ...change.env,
        WITAN_SLOT: slot,
        WITAN_LISTEN: listen,
        WITAN_PEERS: peers,
        WITAN_DATA: change.dataDirectory ?? this.layout.data(slot),
      },
      stdoutPath: log,
      stderrPath: log,
    });
    const { guestId, pid, tee } = guest;
    const state = { slot, address, listen, tee, guestId, pid };
    const slots = this.#file.slots.map((item) => (item.slot === slot ? state : item));
    this.#file = { ...this.#file, slots };
    await writeClusterFile(this.layout, this.#file);
    return state;
  }

  /** Sends a signal to a slot's process. */
  async signalSlot(
    name: string,
    signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT',
  ): Promise<void> {
    await this.tee.signal(this.slot(name).guestId, signal);
  }

  /** Kills a slot's process without warning and waits until it is gone. */
  async killSlot(name: string): Promise<GuestExit> {
    const { guestId } = this.slot(name);
    await this.tee.signal(guestId, 'SIGKILL');
    return this.tee.wait(guestId);
  }

  /** Stops all processes, the simulated hardware included. */
  async shutdown(): Promise<void> {
    for (const relay of this.relays.values()) relay.close();
    await this.tee.shutdown();
    this.tee.close();
  }
}

/** @throws DevClusterError DEVCLUSTER_INTERRUPTED */
export function refuseInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  const message = 'interrupted; what was started is stopped';
  throw new DevClusterError('DEVCLUSTER_INTERRUPTED', message);
}

async function refuseSecond(layout: Layout): Promise<void> {
  const file = await readClusterFile(layout).catch(() => undefined);
  if (file === undefined) return;
  if (!isRunning(file.teeSimPid)) return;
  const message = 'a development cluster already runs here; stop it with `witan dev down`';
  throw new DevClusterError('DEVCLUSTER_EXISTS', message, {
    fields: { directory: layout.directory, pid: file.teeSimPid },
  });
}
