/**
 * A cluster in virtual time whose leaders make real commands: the driver with Raft, the state
 * machine, sealing, certificates and approvals are real; network, disks and time are not. A process
 * can be made to die at one moment of a write.
 */
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { unixMillis, type Clock } from '@witan/core';
import { nodeCrypto, seedFromBytes, type SealingGenerations } from '@witan/keys';
import {
  approvalBytes,
  manifestDigest,
  revocationBytes,
  rotationBytes,
  rotationOfText,
  type RotationStep,
} from '@witan/manifest';
import { Writer, type Cluster, type Forwarded, type Written } from '@witan/replica';
import { World, type Node } from '@witan/replica/testing';
import {
  contentOf,
  decodeCommand,
  proposalId,
  requestKey,
  STATE_VERSION,
  type CommandResult,
} from '@witan/state-machine';
import { finishOperation, prepareOperation, type Operation } from '../../src/operations.ts';
import { historyPublicKey } from '../../src/peers/seed-wire.ts';
import { seedOf } from '../../src/services/context.ts';
import { createKeyring, generationsOf } from '../../src/storage/keyring.ts';
import { isSettled } from './settled.ts';
import {
  approvalsOfFirst,
  jwsOf,
  manifestOf,
  ownerOf,
  sign,
  START_MS,
  type ManifestParts,
  type OwnerName,
} from './world-owners.ts';

/** Where in a write its leader dies. */
export type Moment =
  /** The leader has made the command and not yet ordered it. */
  | 'prepared'
  /** In the leader's log and on its disk, and nowhere else. */
  | 'proposed'
  /** On the disk of one follower as well, and the leader does not know. */
  | 'replicated'
  /** Committed, and applied nowhere. */
  | 'committed'
  /** Applied by the leader, and nobody was told. */
  | 'applied';

/** How things stood when a leader died. */
export interface Death {
  /** Steps that it had applied itself. */
  readonly applied: number;
  /** Whether it knew of a committed entry that it had not applied. */
  readonly committedMore: boolean;
  /** Whether its disk, and that of a follower, held more than before the write. */
  readonly written: readonly [boolean, boolean];
  /** Steps that any other replica had applied. */
  readonly appliedElsewhere: number;
}

/** What a client got: an answer, or a line that broke. */
export type Asked = Written<CommandResult> | 'lost';
type RotatingWriter = Writer<Operation, CommandResult, ReferenceValues>;

const SLOTS = ['witan-0', 'witan-1', 'witan-2'] as const;
const WRITE_MS = 15_000;

/** See the head of this file. */
export class RotatingWorld extends World {
  /** Generations of sealing keys, by incarnation. */
  readonly generations = new Map<string, SealingGenerations>();
  /** Whether the next seed gets lost between two slots. */
  losesSeeds: (from: string, to: string) => boolean = () => false;
  readonly #manifest: ManifestParts;
  readonly #writers = new Map<Node, RotatingWriter>();
  readonly #deaths = new Map<Node, () => void>();
  #armed:
    | {
        readonly moment: Moment;
        readonly leader: Node;
        /** Who may learn of the write. */
        readonly confidant: Node;
        /** How many records disks held before. */
        readonly written: ReadonlyMap<Node, number>;
      }
    | undefined;
  readonly deaths: Death[] = [];
  /** Of messages between replicas, the share that a host drops; 0 to 1. */
  lossShare = 0;
  #chance = 1;
  #preparing = 0;
  #requests = 0;

  /** @param manifest how many of three owners have to agree, or more; by default there is one */
  constructor(seed: number, manifest: number | ManifestParts = {}) {
    super(SLOTS, seed, {
      losesSeeds: (from, to) => this.losesSeeds(from.slot, to.slot),
      crypto: nodeCrypto,
      parseReferenceValues,
      historyPublicKey,
      isLost: (from, to) => this.#isLost(from.incarnation, to.incarnation),
      openKeyring: (self, secret, clusterId, epoch) => {
        const generations = generationsOf(secret, clusterId);
        this.generations.set(self.incarnation, generations);
        const { incarnation } = self;
        const keyring = createKeyring({ clusterId, epoch, incarnation, generations });
        return {
          ...keyring,
          openCommand: (bytes) => {
            const command = keyring.openCommand(bytes);
            if (isRotation(command)) this.#reached('committed', incarnation);
            return command;
          },
        };
      },
    });
    this.#manifest = typeof manifest === 'number' ? { threshold: manifest } : manifest;
    this.#chance = seed;
  }

  /** Founds a cluster with a manifest in force, and the newest state version in use. */
  async found(): Promise<void> {
    await this.foundOf({});
    await this.settled(this.clusterOf(this.leading()).versions.require(STATE_VERSION));
    await this.whole();
  }

  /** The same of members that may be of older state versions, and none in use. */
  async foundOf(versions: Readonly<Record<string, number>>): Promise<void> {
    for (const slot of SLOTS) this.start(slot, { version: versions[slot] ?? STATE_VERSION });
    await this.until(() => this.leader() !== undefined);
    await this.setManifest(this.#manifest);
  }

  async setManifest(parts: ManifestParts): Promise<void> {
    const leader = this.leading();
    const { clusterId, head: previousTransition } = this.stateOf(leader);
    const manifest = manifestOf(parts);
    const manifestDigestOf = manifestDigest(manifest, nodeCrypto);
    const subject = { clusterId, previousTransition, manifestDigest: manifestDigestOf };
    const approvals = await approvalsOfFirst(parts.threshold ?? 1, approvalBytes(subject));
    const operation: Operation = {
      kind: 'set-manifest',
      requestKey: this.nextKey(),
      manifest,
      previousTransition,
      approvals,
    };
    const set = await this.ask(leader, operation);
    if (set === 'lost' || set.result.kind !== 'manifest-set') throw new Error('no manifest');
    await this.whole();
  }

  nextKey(): ReturnType<typeof requestKey> {
    this.#requests += 1;
    return requestKey(new Uint8Array(16).fill(this.#requests));
  }

  /** The next step, approved by the owner. */
  stepOf(words: string): Operation {
    const { clusterId, epoch, head: previousTransition, rotations } = this.stateOf(this.leading());
    const step = rotationOfText(words) as RotationStep;
    const number = rotations.records.length;
    const subject = { clusterId, epoch, previousTransition, number, step };
    const approvals = sign(rotationBytes(subject));
    return {
      kind: 'rotate',
      requestKey: this.nextKey(),
      previousTransition,
      number,
      step,
      approvals,
    };
  }

  /** One owner's approval of a step at the place where the cluster is now. */
  async approvalOf(
    name: OwnerName,
    words: string,
  ): Promise<Operation & { readonly kind: 'approve' }> {
    const { clusterId, epoch, head: previousTransition, rotations } = this.stateOf(this.leading());
    const step = rotationOfText(words) as RotationStep;
    const number = rotations.records.length;
    const content = rotationBytes({ clusterId, epoch, previousTransition, number, step });
    const approval = await jwsOf(ownerOf(name), content, 'witan-approval+jws');
    const action = { kind: 'rotation', number, step } as const;
    const requestKey = this.nextKey();
    return { kind: 'approve', requestKey, previousTransition, action, approval };
  }

  /** One owner's withdrawal of an approval that was given here. */
  async withdrawalOf(
    name: OwnerName,
    { action }: Operation & { readonly kind: 'approve' },
  ): Promise<Operation> {
    const view = this.stateOf(this.leading());
    const { clusterId, head: previousTransition } = view;
    const proposal = proposalId(contentOf(view, action, nodeCrypto), nodeCrypto);
    const content = revocationBytes({ clusterId, previousTransition, proposal });
    const revocation = await jwsOf(ownerOf(name), content, 'witan-revocation+jws');
    return { kind: 'withdraw', proposal, revocation };
  }

  stateOf(node: Node) {
    return this.clusterOf(node).state.machine;
  }

  clusterOf({ replica }: Node): Cluster<ReferenceValues> {
    if (replica.cluster === undefined) throw new Error('no cluster');
    return replica.cluster as Cluster<ReferenceValues>;
  }

  leading(): Node {
    const leader = this.leader();
    if (leader === undefined) throw new Error('no leader');
    return leader;
  }

  /** The leader dies when its next write gets there. @returns a follower that may learn of it */
  arm(moment: Moment): Node {
    const leader = this.leading();
    const confidant = this.live().find((node) => node !== leader);
    if (confidant === undefined) throw new Error('nobody to confide in');
    const written = new Map(this.live().map((node) => [node, node.disk.records.length]));
    this.#armed = { moment, leader, confidant, written };
    return confidant;
  }

  get isArmed(): boolean {
    return this.#armed !== undefined;
  }

  /** Asks a replica, as a client does: whose line breaks when that process dies. */
  async ask(at: Node, operation: Operation): Promise<Asked> {
    const death = new Promise<'lost'>((resolve) => {
      this.#deaths.set(at, () => {
        resolve('lost');
      });
    });
    return this.settled(Promise.race([this.#writerOf(at).execute(operation, WRITE_MS), death]));
  }

  override kill(node: Node): void {
    super.kill(node);
    this.#deaths.get(node)?.();
  }

  /** Every slot has a voter, nothing is under way, and all have applied the same. */
  async whole(): Promise<void> {
    for (const slot of SLOTS) {
      if (this.live().every((node) => node.slot !== slot)) {
        this.start(slot, { holdsSealedState: true });
      }
    }
    await this.until(() => {
      const live = this.live();
      const applied = live.map(({ replica }) => replica.cluster?.status().appliedIndex);
      return (
        live.every(({ replica }) => replica.phase() === 'serving') &&
        live.every(({ replica }) => isSettled(replica.cluster, SLOTS.length)) &&
        new Set(applied).size === 1 &&
        this.leader() !== undefined
      );
    });
  }

  /** Virtual time stands still while a leader makes a command, which takes real time. */
  async until(isDone: () => boolean, timeoutMs = 60_000): Promise<void> {
    for (let passed = 0; passed < timeoutMs; passed += 1) {
      do await new Promise((resolve) => setImmediate(resolve));
      while (this.#preparing > 0);
      this.#look();
      if (await this.scheduler.run(1, isDone)) return;
    }
    throw new Error(`not in time\n${this.events.slice(-30).join('\n')}\n${String(this.fatal[0])}`);
  }

  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    let isDone = false;
    const watched = promise.finally(() => {
      isDone = true;
    });
    watched.catch(() => undefined);
    await this.until(() => isDone);
    return watched;
  }

  #writerOf(node: Node): RotatingWriter {
    const known = this.#writers.get(node);
    if (known !== undefined) return known;
    const clock: Clock = { now: () => unixMillis(START_MS + this.scheduler.monotonicMs()) };
    const writer: RotatingWriter = new Writer({
      cluster: () => node.replica.cluster as Cluster<ReferenceValues> | undefined,
      scheduler: this.scheduler,
      prepare: async (operation) => {
        const cluster = this.clusterOf(node);
        this.#preparing += 1;
        try {
          return await prepareOperation(operation, {
            seedOf: (number) => seedOf(cluster, number),
            candidateOf: (number, digest) => {
              const seed = cluster.seeds.candidateOf(number, digest);
              return seed === undefined ? undefined : seedFromBytes(seed.expose());
            },
            view: cluster.state.machine,
            confirm: async () => {
              this.#preparing -= 1;
              await cluster.engine.readBarrier({ timeoutMs: 5_000 }).finally(() => {
                this.#preparing += 1;
              });
            },
            require: async (version) => {
              this.#preparing -= 1;
              return cluster.versions.require(version).finally(() => {
                this.#preparing += 1;
              });
            },
            crypto: nodeCrypto,
            clock,
          });
        } finally {
          this.#preparing -= 1;
          if (operation.kind === 'rotate') this.#reached('prepared', node.self.incarnation);
        }
      },
      finish: (outcome) => {
        this.#reached('applied', node.self.incarnation);
        return finishOperation(outcome);
      },
      forward: (leader, operation, timeoutMs) => this.#forward(leader.slot, operation, timeoutMs),
    });
    this.#writers.set(node, writer);
    return writer;
  }

  async #forward(
    slot: string,
    operation: Operation,
    timeoutMs: number,
  ): Promise<Forwarded<CommandResult>> {
    const leader = this.live().find((node) => node.slot === slot);
    if (leader === undefined) return { kind: 'failed', code: 'REPLICA_NO_LEADER' };
    const answer = await this.#writerOf(leader).executeHere(operation, timeoutMs);
    return leader.alive ? answer : { kind: 'failed', code: 'REPLICA_STOPPED' };
  }

  #reached(moment: Moment, incarnation: string): void {
    if (this.#armed === undefined) return;
    const { leader, confidant, moment: wanted, written } = this.#armed;
    if (leader.self.incarnation !== incarnation || moment !== wanted) return;
    const { commitIndex } = this.clusterOf(leader).status();
    const hasWritten = (node: Node) => node.disk.records.length > (written.get(node) ?? 0);
    const stepsOf = (node: Node) => this.stateOf(node).rotations.records.length;
    const others = this.live().filter((node) => node !== leader);
    this.deaths.push({
      applied: stepsOf(leader),
      committedMore: commitIndex > this.stateOf(leader).appliedIndex,
      written: [hasWritten(leader), hasWritten(confidant)],
      appliedElsewhere: Math.max(...others.map(stepsOf)),
    });
    this.#armed = undefined;
    this.kill(leader);
  }

  /** Moments that no call tells of: what disks hold. */
  #look(): void {
    const { leader, confidant, moment } = this.#armed ?? {};
    if (leader === undefined || confidant === undefined) return;
    const { incarnation } = leader.self;
    const holder = moment === 'replicated' ? confidant : leader;
    if (holder.disk.records.length <= (this.#armed?.written.get(holder) ?? 0)) return;
    for (const one of ['proposed', 'replicated'] as const) this.#reached(one, incarnation);
  }

  #isLost(from: string, to: string): boolean {
    this.#chance = (this.#chance * 48_271) % 2_147_483_647;
    if (this.#chance / 2_147_483_647 < this.lossShare) return true;
    const { leader, confidant, moment } = this.#armed ?? {};
    if (leader === undefined || confidant === undefined) return false;
    const isFromLeader = from === leader.self.incarnation;
    if (moment === 'proposed') return isFromLeader;
    if (moment !== 'replicated') return false;
    return isFromLeader ? to !== confidant.self.incarnation : to === leader.self.incarnation;
  }
}

function isRotation(plaintext: Uint8Array): boolean {
  try {
    return decodeCommand(plaintext).kind === 'rotate';
  } catch {
    return false;
  }
}
