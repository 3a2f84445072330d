/**
 * A simulated cluster: slots with their disks, the processes that live and lived in them, and the
 * supervisor that starts a new incarnation when one ends. Everything follows from the seed.
 */
import { createHash } from 'node:crypto';
import { CodedError, incarnationId, slotName, utf8, type SlotName } from '@witan/core';
import {
  Replica,
  withoutRecovery,
  type Answer,
  type DurableState,
  type HashParts,
  type Configuration,
  type EngineTuning,
  type Genesis,
  type PeerCalls,
  type PeerIdentity,
  type ReplicaOptions,
} from '@witan/replica';
import { nodeIdOf } from '@witan/state-machine';
import { CrashFs } from '@witan/journal/testing';
import { simCrypto } from './crypto.ts';
import { checkInvention, checkJournal } from './disk-checks.ts';
import type { DiskImage } from '@witan/journal/testing';
import { Disk, fated } from './disk.ts';
import type { DiskFate } from './faults.ts';
import { newestFormerLog } from './former-log.ts';
import { Invariants, observeReadies } from './invariants.ts';
import { breakLines, sendSnapshot } from './lines.ts';
import { Network, type Noise } from './network.ts';
import { SimProcess } from './process.ts';
import { SimRandom } from './random.ts';
import { plainKeyring, sealingKeyring } from './keyring.ts';
import { registerKeyring } from './register.ts';
import { Timeline } from './timeline.ts';

const CALL_TIMEOUT_MS = 2_000;
const RESTART_MS = 500;

export interface WorldOptions {
  readonly seed: number;
  readonly slots: number;
  readonly noise: Noise;
  readonly tuning: Partial<EngineTuning>;
  /** Whether commands and snapshots are sealed as in a Coordinator; otherwise they are plain. */
  readonly seals: boolean;
  /** Whether snapshots travel beside messages; otherwise each is one of them. */
  readonly snapshotsBeside: boolean;
  /** Whether newcomers look at what earlier processes of their slot left on its disk. */
  readonly reuses: boolean;
  /** Called with whatever must not have happened; the first one counts. */
  readonly onViolation: (error: unknown) => void;
  readonly onEvent?: (line: string) => void;
}

export class World {
  readonly timeline: Timeline = new Timeline();
  readonly network: Network;
  readonly invariants: Invariants;
  readonly diskRandom: SimRandom;
  readonly lifeRandom: SimRandom;
  readonly processes: SimProcess[] = [];
  readonly disks: readonly Disk[];
  readonly slotNames: readonly SlotName[];
  readonly options: WorldOptions;
  /** Genesis of each process, for the control that breaks I2. */
  readonly geneses: Map<number, Genesis> = new Map();
  /** Which process a slot's name leads to; the newest one otherwise. */
  readonly names: Map<number, SimProcess> = new Map();
  readonly #byNodeId = new Map<number, SimProcess>();

  constructor(options: WorldOptions) {
    this.options = options;
    const { seed, slots } = options;
    this.slotNames = Array.from({ length: slots }, (_, slot) => slotName(`witan-${slot}`));
    this.disks = this.slotNames.map(() => new Disk());
    this.network = new Network(new SimRandom(seed, 1), this.timeline, options.noise);
    this.diskRandom = new SimRandom(seed, 2);
    this.lifeRandom = new SimRandom(seed, 3);
    this.invariants = new Invariants(slots, (nodeId) => this.#byNodeId.get(nodeId));
    observeReadies((node, ready) => {
      const process = this.#byNodeId.get(node.basicStatus().id);
      if (process?.alive !== true) return;
      this.guard(() => {
        this.invariants.ready(process, node, ready);
      });
    });
  }

  /** Runs a check; what it throws ends the run. */
  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.options.onViolation(error);
    }
  }

  #guardAsync(run: Promise<void>): void {
    run.catch(this.options.onViolation);
  }

  event(process: SimProcess, event: string, fields: object = {}): void {
    const { onEvent } = this.options;
    if (onEvent === undefined) return;
    const at = this.timeline.nowMs.toFixed(1);
    onEvent(`${at} ${process.self.slot}/${process.birth} ${event} ${JSON.stringify(fields)}`);
  }

  /** Starts a process of a slot. @param as keeps an earlier identity, against I2 */
  start(slot: number, as?: SimProcess): SimProcess {
    const birth = this.processes.length;
    const name = this.slotNames[slot] as SlotName;
    const digest = createHash('sha256').update(utf8(`${this.options.seed}/${name}/${birth}`));
    const incarnation = as?.self.incarnation ?? incarnationId(digest.digest('hex'));
    const nodeId = nodeIdOf(incarnation);
    const self: PeerIdentity = { nodeId, slot: name, incarnation, address: `${name}:1` };
    const disk = this.disks[slot] as Disk;
    const fs = new CrashFs(disk.image);
    const holdsSealedState = disk.image.size > 0 && as === undefined;
    const process = new SimProcess({
      world: this,
      slot,
      birth,
      slotName: name,
      incarnation,
      self,
      fs,
    });
    process.replica = new Replica<unknown>(
      this.#replicaOptions(process, disk.image, holdsSealedState),
    );
    this.processes.push(process);
    this.#byNodeId.set(nodeId, process);
    this.names.set(slot, process);
    this.event(process, 'started', { nodeId, holdsSealedState });
    process.replica.start();
    return process;
  }

  /** The end of a process: nothing of its memory is left, and of its disk what the fate leaves. */
  kill(process: SimProcess, power: boolean, fate: DiskFate): void {
    if (!process.alive) return;
    process.alive = false;
    const random = this.diskRandom;
    const image = power ? process.fs.imageAfterCrash(() => random.chance(0.5)) : process.fs.image();
    this.event(process, 'killed', { power, fate });
    breakLines(this, process);
    const disk = this.disks[process.slot] as Disk;
    disk.keepImage(image);
    disk.image = fated(disk, image, fate, random);
    this.#guardAsync(checkJournal(process, image));
    if (fate === 'flipped') this.#guardAsync(checkInvention(process, disk.image));
  }

  /** The host copies the disk of a process that lives on, to show it to another one. */
  copyDisk(process: SimProcess): void {
    const disk = this.disks[process.slot] as Disk;
    const image = new Map(
      [...process.fs.image()].map(([path, bytes]) => [path, Uint8Array.from(bytes)]),
    );
    disk.keepImage(image);
    disk.image = image;
  }

  /** Starts the slot again when nobody lives there; repeatedly, as an orchestrator would. */
  supervise(slot: number, delayMs: number = RESTART_MS): void {
    this.timeline.after(delayMs, () => {
      if (!this.living(slot)) this.start(slot);
    });
  }

  living(slot: number): boolean {
    return this.processes.some((process) => process.slot === slot && process.alive);
  }

  live(): readonly SimProcess[] {
    return this.processes.filter(({ alive }) => alive);
  }

  byNodeId(nodeId: number): SimProcess | undefined {
    return this.#byNodeId.get(nodeId);
  }

  /** Whether every cluster that counts on this process can lose it and still decide. */
  canLose(victim: SimProcess): boolean {
    for (const { id, voters, votersOutgoing, learners } of this.#configurations()) {
      // Its promotion may already stand in the log: it then counts in place of its slot's voter.
      if (learners.includes(victim.self.nodeId)) {
        const left = voters.filter((nodeId) => {
          const process = this.#byNodeId.get(nodeId);
          return process?.alive === true && !process.mayFail && process.slot !== victim.slot;
        });
        if (left.length <= voters.length / 2) return false;
      }
      for (const half of [voters, votersOutgoing]) {
        if (!half.includes(victim.self.nodeId)) continue;
        const left = half.filter((nodeId) => {
          const process = this.#byNodeId.get(nodeId);
          if (process === victim || process?.alive !== true || process.mayFail) return false;
          const cluster = process.replica.cluster?.clusterId;
          return cluster === undefined || cluster === id;
        });
        if (left.length <= half.length / 2) return false;
      }
    }
    return true;
  }

  /** Whether some cluster still has a majority of each half of its newest configuration. */
  hasMajority(): boolean {
    return this.#configurations().some(({ id, voters, votersOutgoing }) =>
      [voters, votersOutgoing].every((half) => {
        const living = half.filter((nodeId) => {
          const process = this.#byNodeId.get(nodeId);
          return process?.alive === true && process.replica.cluster?.clusterId === id;
        });
        return half.length === 0 || living.length > half.length / 2;
      }),
    );
  }

  /** Whether some cluster's newest configuration counts on the process. */
  isVoter(process: SimProcess): boolean {
    return this.#configurations().some(({ voters, votersOutgoing }) =>
      [...voters, ...votersOutgoing].includes(process.self.nodeId),
    );
  }

  /** The newest configuration of every cluster, also of one that has not done anything yet. */
  #configurations(): readonly (Configuration & { readonly id: string })[] {
    const { groups } = this.invariants;
    const all = [...groups.values()].flatMap(({ id, configuration }) =>
      configuration === undefined ? [] : [{ id, ...configuration.state }],
    );
    for (const { replica } of this.live()) {
      const { cluster } = replica;
      if (cluster === undefined || groups.has(cluster.clusterId)) continue;
      all.push({ id: cluster.clusterId, ...cluster.status().configuration });
    }
    return all;
  }

  // --- what the replica is given ----------------------------------------------------------------

  #replicaOptions(
    process: SimProcess,
    image: DiskImage,
    holdsSealedState: boolean,
  ): ReplicaOptions<unknown> {
    const random = new SimRandom(this.options.seed, 1_000 + this.processes.length);
    return {
      self: process.self,
      slots: this.slotNames,
      holdsSealedState,
      peers: this.#peerCalls(process),
      recovery: withoutRecovery(),
      ...(this.options.reuses ? { readFormerLog: () => this.#formerLog(process, image) } : {}),
      send: (to, messages) => this.#send(process, to, messages),
      ...(this.options.snapshotsBeside
        ? {
            sendSnapshot: (to, parcel) =>
              sendSnapshot(this, process, this.#byNodeId.get(to.nodeId), parcel),
          }
        : {}),
      openKeyring: (seed, clusterId, epoch) => {
        const { incarnation } = process.self;
        const { seals } = this.options;
        const inner = seals
          ? sealingKeyring({ seed, clusterId, epoch, incarnation })
          : plainKeyring;
        return registerKeyring(inner, process.register, (register, machine) => {
          const index = process.replica.cluster?.status().appliedIndex ?? 0;
          this.guard(() => {
            if (index > 1) this.invariants.sealed(process, index, register, machine);
          });
        });
      },
      openDurableLog: () => process.log,
      crypto: simCrypto,
      random,
      machine: { parseReferenceValues: (value) => value },
      scheduler: process,
      tuning: this.options.tuning,
      onEvent: (event, fields) => {
        this.event(process, event, fields);
      },
      onChange: () => {
        if (process.replica.phase() === 'removed') this.#removed(process);
      },
      fatal: (error) => {
        this.#fatal(process, error);
      },
    };
  }

  async #formerLog(process: SimProcess, image: DiskImage): Promise<DurableState | undefined> {
    const hash: HashParts = (...parts) => simCrypto.hash('sha256', ...parts);
    process.former = await newestFormerLog(image, hash);
    return process.former;
  }

  #peerCalls(process: SimProcess): PeerCalls {
    const target = (slot: SlotName): SimProcess | undefined =>
      this.names.get(this.slotNames.indexOf(slot));
    const from = process.self.incarnation;
    return {
      greet: (slot, own) => this.#call(process, target(slot), (to) => to.replica.greeted(own)),
      deliverGenesis: async (slot, receiver, genesis) => {
        this.geneses.set(process.self.nodeId, genesis);
        const answer = await this.#call(process, target(slot), (to) => {
          if (to.self.incarnation !== receiver) throw new Error('another incarnation');
          this.geneses.set(to.self.nodeId, genesis);
          return to.replica.genesisDelivered(genesis, from);
        });
        return answer.value;
      },
      join: (slot, request) =>
        this.#call(process, target(slot), (to) => to.replica.joinAsked(request, from)),
      confirmLog: (slot, request) =>
        this.#call(process, target(slot), async ({ replica: { cluster } }) =>
          cluster === undefined
            ? { kind: 'not-leader' as const }
            : cluster.confirmLog(request, from),
        ),
      recover: (slot, receiver, notice) =>
        this.#call(process, target(slot), (to) => {
          if (to.self.incarnation !== receiver) throw new Error('another incarnation');
          return to.replica.recoveryNoticed(notice, from);
        }),
    };
  }

  #removed(process: SimProcess): void {
    if (process.alive) this.timeline.after(0, () => this.#replace(process));
  }

  #replace(process: SimProcess): void {
    this.kill(process, false, 'kept');
    this.supervise(process.slot);
  }

  #fatal(process: SimProcess, error: unknown): void {
    if (!process.alive) return;
    const fields = { error: error instanceof Error ? error.message : String(error) };
    this.event(process, 'fatal', fields);
    const isDisk = error instanceof CodedError && String(error.code).startsWith('JOURNAL_');
    if (!isDisk || !process.mayFail) this.options.onViolation(error);
    process.diskTrouble = 'none';
    this.#replace(process);
  }

  async #call<Value>(
    from: SimProcess,
    to: SimProcess | undefined,
    run: (to: SimProcess) => Value | Promise<Value>,
  ): Promise<Answer<Value>> {
    from.called();
    return new Promise((resolve, reject) => {
      from.after(CALL_TIMEOUT_MS, () => {
        reject(new Error('no answer in time'));
      });
      if (to === undefined) return;
      const answer = (value: Value): void => {
        this.network.carry(to, from, () => {
          resolve({ from: to.self.incarnation, value });
        });
      };
      this.network.carry(from, to, () => {
        Promise.resolve()
          .then(() => run(to))
          .then(answer, (error: unknown) => {
            this.network.carry(to, from, () => {
              reject(error instanceof Error ? error : new Error(String(error)));
            });
          });
      });
    });
  }

  #send(from: SimProcess, to: PeerIdentity, messages: readonly Uint8Array[]): boolean {
    if (!from.called()) return false;
    const target = this.#byNodeId.get(to.nodeId);
    const cluster = from.replica.cluster;
    if (target?.alive !== true || cluster === undefined) return false;
    if (this.network.isCut(from, target) && this.diskRandom.chance(0.5)) return false;
    const { clusterId, epoch, opening } = cluster;
    const life = { clusterId, epoch, opening };
    const shares =
      messages.length > 1 && this.diskRandom.chance(0.7) ? [messages] : messages.map((m) => [m]);
    for (const share of shares) {
      this.timeline.note(share[0]?.byteLength ?? 0);
      this.network.carry(from, target, () => {
        target.replica.messagesArrived(from.self, life, share);
      });
    }
    return true;
  }
}
