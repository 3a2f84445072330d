/**
 * A small world for replicas: virtual time, a network that can be cut, disks that are lists. It
 * runs
 * the real driver, with a keyring that only marks bytes. Seeded, so that a run can be repeated.
 */
import { createHash } from 'node:crypto';
import {
  concatBytes,
  incarnationId,
  slotName,
  utf8,
  type ClusterId,
  type Crypto,
  type Epoch,
  type SlotName,
} from '@witan/core';
import {
  Replica,
  replayDurableLog,
  withoutRecovery,
  type Answer,
  type ConfirmRequest,
  type Keyring,
  type PeerIdentity,
  type RecoveryPorts,
  type ReplicaOptions,
  type SeedReceipt,
  type Seed,
  type Standing,
} from '@witan/replica';
import type { SeedDesk } from '../src/life/seed-desk.ts';
import { RecordingDisk, VirtualScheduler, seededRandom } from '@witan/testkit';
import type { ParseReferenceValues } from '@witan/manifest';
import { nodeIdOf, STATE_VERSION } from '@witan/state-machine';

const testCrypto: Crypto = {
  hash: (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
  verify: () => false,
};

/** Marks bytes in the place of sealing them. */
export const markingKeyring: Keyring = {
  sealCommand: (bytes) => concatBytes(utf8('C'), bytes),
  openCommand: (bytes) => bytes.subarray(1),
  sealSnapshot: (bytes) => concatBytes(utf8('S'), bytes),
  openSnapshot: (bytes) => bytes.subarray(1),
};

export interface Node {
  readonly slot: SlotName;
  readonly self: PeerIdentity;
  readonly replica: Replica<unknown>;
  readonly disk: RecordingDisk;
  alive: boolean;
  paused: boolean;
  /** Calls others, but the slot's name leads to somebody else. */
  hidden: boolean;
}

/** What a journal gives back. A disk that cannot be read throws. */
export type FormerDisk = Pick<RecordingDisk, 'kept'> | { readonly unreadable: Error };

function formerLogOf(disk: FormerDisk | undefined): Pick<ReplicaOptions<unknown>, 'readFormerLog'> {
  if (disk === undefined) return {};
  return {
    readFormerLog: async () => {
      if ('unreadable' in disk) throw disk.unreadable;
      const { snapshot, records } = disk.kept;
      return replayDurableLog(snapshot, records, (...parts) => testCrypto.hash('sha256', ...parts));
    },
  };
}

/** What a test may put around the replicas. */
export interface Surroundings {
  readonly crypto?: Crypto;
  readonly parseReferenceValues?: ParseReferenceValues<unknown>;
  /** See `ReplicaOptions`. */
  readonly historyPublicKey?: NonNullable<ReplicaOptions<unknown>['historyPublicKey']>;
  /** Whether the next seed does not arrive. */
  readonly losesSeeds?: (from: PeerIdentity, to: PeerIdentity) => boolean;
  readonly recoveryOf?: (slot: SlotName) => RecoveryPorts;
  /** Seals what an incarnation writes; without it bytes are only marked. */
  readonly openKeyring?: (
    self: PeerIdentity,
    seed: Seed,
    clusterId: ClusterId,
    epoch: Epoch,
  ) => Keyring;
  /** Whether a message gets lost although nothing is cut. */
  readonly isLost?: (from: PeerIdentity, to: PeerIdentity) => boolean;
  /** Learns which disk an incarnation opens in which epoch. */
  readonly onDisk?: (
    self: PeerIdentity,
    clusterId: ClusterId,
    epoch: Epoch,
    disk: RecordingDisk,
  ) => void;
}

/** How a process starts. */
export interface StartOptions {
  readonly holdsSealedState?: boolean;
  /** What an earlier incarnation left on the disk, or the host put there. */
  readonly former?: FormerDisk;
  /** The state version that it announces; 0 announces none, as builds of before do. */
  readonly version?: number;
}

export class World {
  readonly scheduler: VirtualScheduler = new VirtualScheduler();
  readonly nodes: Node[] = [];
  readonly events: string[] = [];
  readonly fatal: unknown[] = [];
  /** Questions about former logs, as they were asked. */
  readonly confirmAsked: ConfirmRequest[] = [];
  /** Pairs of slots, `a>b`, between which nothing passes. */
  readonly cut = new Set<string>();
  readonly slotNames: readonly string[];
  readonly #slots: readonly SlotName[];
  readonly #surroundings: Surroundings;
  readonly #random: { bytes(byteLength: number): Uint8Array };
  #births = 0;

  constructor(slotNames: readonly string[], seed = 1, surroundings: Surroundings = {}) {
    this.#surroundings = surroundings;
    this.#slots = slotNames.map(slotName);
    this.slotNames = slotNames;
    this.#random = seededRandom(seed);
  }

  start(name: string, options: StartOptions = {}): Node {
    const slot = slotName(name);
    this.#births += 1;
    const birth = utf8(`${name}/${this.#births}/${this.#random.bytes(4).join()}`);
    const incarnation = incarnationId(createHash('sha256').update(birth).digest('hex'));
    const { version = STATE_VERSION } = options;
    const peer = { nodeId: nodeIdOf(incarnation), slot, incarnation, address: `${name}:1` };
    const self = version === 0 ? peer : { ...peer, version };
    const disk = new RecordingDisk();
    const node: Node = {
      slot,
      self,
      disk,
      alive: true,
      paused: false,
      hidden: false,
      replica: new Replica<unknown>({
        ...this.#options(self, disk, options.holdsSealedState ?? options.former !== undefined),
        ...formerLogOf(options.former),
      }),
    };
    this.nodes.push(node);
    node.replica.start();
    return node;
  }

  /** The process dies: nothing of its memory is left. */
  kill(node: Node): void {
    node.alive = false;
    void node.replica.stop();
  }

  /** The newest live process of a slot. */
  at(name: string): Node {
    const node = this.nodes.findLast((item) => item.slot === name && item.alive && !item.paused);
    if (node === undefined) throw new Error(`no live process of ${name}`);
    return node;
  }

  live(): readonly Node[] {
    return this.nodes.filter((node) => node.alive && !node.paused);
  }

  leader(): Node | undefined {
    return this.live().find((node) => node.replica.cluster?.status().role === 'leader');
  }

  /** Proposes a no-op and resolves with its index. */
  async write(node: Node): Promise<number> {
    const cluster = node.replica.cluster;
    if (cluster === undefined) throw new Error('no cluster');
    const applied = await cluster.propose(utf8('no command at all'), true, 5_000);
    return applied.index;
  }

  #find(slot: SlotName, from: SlotName): Node | undefined {
    if (this.cut.has(`${from}>${slot}`) || this.cut.has(`${slot}>${from}`)) return undefined;
    return this.nodes.findLast(
      (node) => node.slot === slot && node.alive && !node.paused && !node.hidden,
    );
  }

  async #call<Value>(
    from: PeerIdentity,
    slot: SlotName,
    run: (node: Node) => Value | Promise<Value>,
  ): Promise<Answer<Value>> {
    await new Promise<void>((resolve) => this.scheduler.after(1, resolve));
    const node = this.#find(slot, from.slot);
    if (node === undefined || !this.#isAlive(from)) throw new Error(`${slot} unreachable`);
    const value = await run(node);
    return { from: node.self.incarnation, value };
  }

  #isAlive(peer: PeerIdentity): boolean {
    return this.nodes.some(
      (node) => node.self.incarnation === peer.incarnation && node.alive && !node.paused,
    );
  }

  #options(
    self: PeerIdentity,
    disk: RecordingDisk,
    holdsSealedState: boolean,
  ): ReplicaOptions<unknown> {
    return {
      self,
      slots: this.#slots,
      holdsSealedState,
      peers: {
        greet: (slot, own: Standing) => this.#call(self, slot, (node) => node.replica.greeted(own)),
        deliverGenesis: async (slot, receiver, genesis) => {
          const answer = await this.#call(self, slot, (node) => {
            if (node.self.incarnation !== receiver) throw new Error('another incarnation');
            return node.replica.genesisDelivered(genesis, self.incarnation);
          });
          return answer.value;
        },
        join: (slot, request) =>
          this.#call(self, slot, (node) => node.replica.joinAsked(request, self.incarnation)),
        confirmLog: (slot, request) =>
          this.#call(self, slot, async (node) => {
            this.confirmAsked.push(request);
            const { cluster } = node.replica;
            if (cluster === undefined) return { kind: 'not-leader' };
            return cluster.confirmLog(request, self.incarnation);
          }),
        deliverSeed: async (slot, receiver, delivery) => {
          const answer = await this.#call(self, slot, (node) => {
            const isLost = this.#surroundings.losesSeeds?.(self, node.self) === true;
            if (node.self.incarnation !== receiver || isLost) throw new Error('lost');
            return seedTaken(node.replica.cluster, delivery, self.incarnation);
          });
          return answer.value;
        },
        recover: (slot, receiver, notice) =>
          this.#call(self, slot, (node) => {
            if (node.self.incarnation !== receiver) throw new Error('another incarnation');
            return node.replica.recoveryNoticed(notice, self.incarnation);
          }),
      },
      recovery: this.#surroundings.recoveryOf?.(self.slot) ?? withoutRecovery(),
      send: (to, messages) => this.#send(self, to, messages),
      openKeyring: (seed, clusterId, epoch) =>
        this.#surroundings.openKeyring?.(self, seed, clusterId, epoch) ?? markingKeyring,
      openDurableLog: (_seed, clusterId, epoch) => {
        const own = epoch === 1 ? disk : new RecordingDisk();
        this.#surroundings.onDisk?.(self, clusterId, epoch, own);
        return own;
      },
      ...(this.#surroundings.historyPublicKey && {
        historyPublicKey: this.#surroundings.historyPublicKey,
      }),
      crypto: this.#surroundings.crypto ?? testCrypto,
      random: this.#random,
      machine: {
        parseReferenceValues: this.#surroundings.parseReferenceValues ?? ((value) => value),
        stateVersion: self.version ?? 0,
      },
      scheduler: this.scheduler,
      onEvent: (event, fields) => {
        const time = this.scheduler.monotonicMs();
        this.events.push(`${time} ${self.slot} ${event} ${JSON.stringify(fields)}`);
      },
      onChange: () => undefined,
      fatal: (error) => {
        this.fatal.push(error);
      },
    };
  }

  #send(from: PeerIdentity, to: PeerIdentity, messages: readonly Uint8Array[]): boolean {
    if (!this.#isAlive(from)) return false;
    const target = this.#find(to.slot, from.slot);
    if (target?.self.incarnation !== to.incarnation) return false;
    if (this.#surroundings.isLost?.(from, to) === true) return true;
    const cluster = this.nodes.find((node) => node.self === from)?.replica.cluster;
    if (cluster === undefined) return false;
    const delayMs = 1 + ((this.#random.bytes(1)[0] ?? 0) % 3);
    this.scheduler.after(delayMs, () => {
      const still = this.#find(to.slot, from.slot);
      if (still?.self.incarnation !== to.incarnation) return;
      const { clusterId, epoch, opening } = cluster;
      still.replica.messagesArrived(from, { clusterId, epoch, opening }, messages);
    });
    return true;
  }
}

function seedTaken(
  cluster: Replica<unknown>['cluster'],
  ...delivered: Parameters<SeedDesk['delivered']>
): SeedReceipt {
  return cluster?.seeds.delivered(...delivered) ?? { accepted: false, code: 'NO_CLUSTER' };
}
