/**
 * The life of one incarnation (I2): find the others, found a cluster with them or be let into
 * theirs, take part, and stop for good once replaced.
 *
 * Assumes that every call from a peer comes with the identity that its attested channel proved.
 */
import {
  assert,
  epoch as toEpoch,
  type ClusterId,
  type Crypto,
  type Epoch,
  type IncarnationId,
  type Random,
  type SlotName,
} from '@witan/core';
import type { StateMachineOptions } from '@witan/state-machine';
import { ReplicaError } from './errors.ts';
import { Cluster, type ClusterOptions } from './life/cluster.ts';
import { decide, type Waiting } from './life/decide.ts';
import { foundingOf, handOver } from './life/founding.ts';
import { refuseGenesis } from './life/genesis.ts';
import { askToJoin } from './life/join.ts';
import { greetAll, wasReplaced } from './life/look.ts';
import { randomBelow } from './life/random-below.ts';
import { sleep } from './life/sleep.ts';
import type { DurableLog, Keyring, PeerCalls, Scheduler, Seed } from './ports.ts';
import type { EngineTuning } from './raft/tuning.ts';
import { findReusable, type FormerLogSource } from './reuse/reuse.ts';
import type {
  Genesis,
  JoinAnswer,
  JoinRequest,
  PeerIdentity,
  PeerSending,
  Standing,
  StandingKind,
} from './standing.ts';

const FIRST_EPOCH = 1;

/** Pause between two looks around, in milliseconds; short at first, then longer. */
const LOOK_MS = 100;
const LOOK_MS_MAX = 500;
/** A cluster without manifest and leader for this long may be founded again. */
const UNSETTLED_MS = 3_000;
/** A member without a leader for this long looks around, whether it was replaced. */
const LEADERLESS_MS = 1_000;
/** A newcomer that was let in and has no state after this long asks again. */
const STATELESS_MS = 500;

/** Where in its life a replica is. */
export type Phase =
  'discovering' | 'founded' | 'joining' | 'serving' | 'sealed' | 'removed' | 'stopped';

/** What a replica is made from. */
export interface ReplicaOptions<ReferenceValues> extends PeerSending, FormerLogSource {
  readonly self: PeerIdentity;
  /** Slot names of the measured configuration. */
  readonly slots: readonly SlotName[];
  /** Whether earlier incarnations of this slot left sealed state on disk. */
  readonly holdsSealedState: boolean;
  readonly peers: PeerCalls;
  readonly openKeyring: (seed: Seed, clusterId: ClusterId, epoch: Epoch) => Keyring;
  readonly openDurableLog: (seed: Seed, clusterId: ClusterId, epoch: Epoch) => DurableLog;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly machine: StateMachineOptions<ReferenceValues>;
  readonly scheduler: Scheduler;
  readonly tuning?: Partial<EngineTuning>;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  readonly onChange: () => void;
  readonly fatal: (error: unknown) => void;
}

/** See the head of this file. */
export class Replica<ReferenceValues> {
  readonly #options: ReplicaOptions<ReferenceValues>;
  #cluster: Cluster<ReferenceValues> | undefined;
  #genesis: Genesis | undefined;
  /** Clusters that this process has left: it never takes part in one twice (I2). */
  readonly #left = new Set<ClusterId>();
  #removed = false;
  #stopped = false;
  #waiting: Waiting | undefined;
  #lookMs = LOOK_MS;
  #enteredMs = 0;

  constructor(options: ReplicaOptions<ReferenceValues>) {
    this.#options = options;
  }

  /** Starts looking for the others. A cluster of one is founded at once. */
  start(): void {
    void this.#live();
  }

  get cluster(): Cluster<ReferenceValues> | undefined {
    return this.#cluster;
  }

  /** What the replica waits for, while it looks around. */
  get waiting(): Waiting | undefined {
    return this.#needsLook() ? this.#waiting : undefined;
  }

  phase(): Phase {
    if (this.#stopped) return 'stopped';
    if (this.#removed) return 'removed';
    const cluster = this.#cluster;
    if (cluster === undefined) {
      return this.#waiting?.code === 'RECOVERY_NEEDED' ? 'sealed' : 'discovering';
    }
    if (!cluster.isVoter()) return 'joining';
    return cluster.generation === 0 ? 'founded' : 'serving';
  }

  standing(): Standing {
    const { self, slots } = this.#options;
    const cluster = this.#cluster?.standing();
    return {
      kind: this.#standingKind(),
      self,
      slots,
      ...(cluster === undefined ? {} : { cluster }),
    };
  }

  // --- what peers ask, each with the identity that the channel proved ---------------------------

  /** Answers a greeting. A caller without a cluster may be the one that we wait for. */
  greeted(caller: Standing): Standing {
    if (this.#cluster === undefined && caller.kind !== 'sealed') this.#lookMs = LOOK_MS;
    return this.standing();
  }

  genesisDelivered(
    genesis: Genesis,
    from: IncarnationId,
  ): { readonly accepted: boolean; readonly code: string } {
    if (this.#cluster?.clusterId === genesis.clusterId) return { accepted: true, code: '' };
    const refusal = refuseGenesis(genesis, this.standing(), from);
    const isOver = this.#removed || this.#stopped || this.#left.has(genesis.clusterId);
    if (refusal !== undefined || isOver) {
      return { accepted: false, code: refusal ?? 'STOPPING' };
    }
    this.#takeUp(genesis);
    return { accepted: true, code: '' };
  }

  async joinAsked(request: JoinRequest, from: IncarnationId): Promise<JoinAnswer> {
    const cluster = this.#cluster;
    if (cluster === undefined) return { kind: 'busy', code: 'NO_CLUSTER' };
    try {
      const answer = await cluster.join(request, from);
      this.#event('join answered', {
        peer: request.self.slot,
        answer: answer.kind,
        code: codeOf(answer),
      });
      return answer;
    } catch (error) {
      if (!(error instanceof ReplicaError)) throw error;
      return { kind: 'busy', code: error.code };
    }
  }

  messagesArrived(
    from: PeerIdentity,
    clusterId: ClusterId,
    epoch: Epoch,
    messages: readonly Uint8Array[],
  ): void {
    const cluster = this.#cluster;
    if (cluster?.clusterId === clusterId && cluster.epoch === epoch)
      cluster.receive(from, messages);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#cluster?.stop();
  }

  // --- the loop ---------------------------------------------------------------------------------

  async #live(): Promise<void> {
    try {
      while (!this.#stopped && !this.#removed) {
        if (this.#needsLook()) await this.#lookAround();
        await sleep(this.#options.scheduler, this.#needsLook() ? this.#pauseMs() : LOOK_MS);
      }
    } catch (error) {
      this.#options.fatal(error);
    }
  }

  #needsLook(): boolean {
    const cluster = this.#cluster;
    if (cluster === undefined) return true;
    if (cluster.leaderlessMs() > LEADERLESS_MS) return true;
    const hasGenesis = cluster.generation === 0 && this.#genesis !== undefined;
    return hasGenesis ? cluster.status().leaderId === 0 : this.#isAdmissionDoubtful(cluster);
  }

  /** Let in for a while, and still nothing says so: the admission may be void by now. */
  #isAdmissionDoubtful(cluster: Cluster<ReferenceValues>): boolean {
    const { scheduler } = this.#options;
    return !cluster.isMember() && scheduler.monotonicMs() - this.#enteredMs > STATELESS_MS;
  }

  #pauseMs(): number {
    const pauseMs = this.#lookMs;
    this.#lookMs = Math.min(LOOK_MS_MAX, this.#lookMs * 1.5);
    return pauseMs;
  }

  async #lookAround(): Promise<void> {
    const answers = await greetAll(this.#options, this.standing());
    if (this.#stopped) return;
    const { configuration } = this.#cluster?.status() ?? {};
    if (wasReplaced(this.standing(), configuration, answers)) {
      this.#remove('a peer knows a newer configuration without this incarnation');
      return;
    }
    this.#forsake();
    // Whoever has just taken up the founding answers differently now.
    if (await this.#passGenesisOn(answers)) return;
    const own = this.standing();
    if (own.kind === 'member' && this.#cluster?.isMember() === true) return;
    const decision = decide(own, answers);
    switch (decision.kind) {
      case 'join':
        this.#waiting = undefined;
        return this.#join(decision.at);
      case 'found':
        this.#found(decision.members);
        return undefined;
      case 'wait':
        if (this.#waiting?.code !== decision.code) {
          this.#event('waiting', { code: decision.code, slots: decision.slots.join(',') });
        }
        this.#waiting = decision;
        return undefined;
      default:
        return decision satisfies never;
    }
  }

  // --- joining ----------------------------------------------------------------------------------

  async #join(at: readonly SlotName[]): Promise<void> {
    const { self, slots } = this.#options;
    const answer = await askToJoin(this.#options, { self, slots }, at);
    if (answer === undefined || this.#stopped) return;
    // Its state may have come meanwhile; then it is a member like all others.
    if (this.#standingKind() === 'member' && this.#cluster?.isMember() === true) return;
    switch (answer.kind) {
      case 'admitted':
        return this.#admitted(answer);
      case 'busy':
        this.#lookMs = LOOK_MS;
        this.#event('not admitted yet', { code: answer.code });
        return;
      case 'refused':
        this.#event('not admitted', { code: answer.code });
        // A later incarnation can take the place; this one never again.
        if (answer.code === 'INCARNATION_RETIRED') this.#remove(answer.code);
        return;
      case 'not-leader':
        return;
      default:
        answer satisfies never;
    }
  }

  async #admitted(answer: JoinAnswer & { readonly kind: 'admitted' }): Promise<void> {
    // Entering a cluster a second time would forget term and vote (I2). Let in again under the same
    // name, with all that it remembers, a newcomer goes on waiting for the state.
    if (this.#cluster?.clusterId === answer.clusterId) return;
    this.#event('admitted as a learner', { clusterId: answer.clusterId, epoch: answer.epoch });
    if (this.#left.has(answer.clusterId)) {
      // It counts on this incarnation, which has forgotten it. Another one can take the place.
      this.#remove('a cluster that this process has left lives on');
      return;
    }
    if (this.#standingKind() === 'member') return;
    const before = this.#cluster;
    const reused = await findReusable(this.#options, answer);
    // Meanwhile it may have been stopped, or handed a founding: then that is what it goes on with.
    if (this.#stopped || this.#removed || this.#cluster !== before) return;
    this.#leave();
    this.#enter({ ...answer, reused }, undefined, answer.members);
  }

  /**
   * A newcomer let into a cluster that had no manifest when it lost its leader holds nothing that
   * would be missed, and no founding to hand on: it is free again, as if it had just started.
   */
  #forsake(): void {
    const cluster = this.#cluster;
    if (cluster === undefined || this.#genesis !== undefined || !this.#isUnsettled()) return;
    this.#event('unsettled cluster left', { clusterId: cluster.clusterId });
    this.#leave();
  }

  // --- founding ---------------------------------------------------------------------------------

  #found(members: readonly PeerIdentity[]): void {
    const { random, slots } = this.#options;
    const genesis = foundingOf(random, slots, members);
    this.#event('cluster founded', { clusterId: genesis.clusterId, members: members.length });
    this.#takeUp(genesis);
    this.#lookMs = LOOK_MS;
  }

  #takeUp(genesis: Genesis): void {
    this.#leave();
    this.#genesis = genesis;
    const { clusterId, seed, slots, members } = genesis;
    this.#enter({ clusterId, epoch: toEpoch(FIRST_EPOCH), seed, slots }, members, members);
  }

  /** Leaves a cluster that never had a manifest, for good. */
  #leave(): void {
    const left = this.#cluster;
    if (left === undefined) return;
    assert(left.generation === 0 && !left.journalOpen, 'only an unsettled cluster is left (I2)');
    this.#left.add(left.clusterId);
    this.#cluster = undefined;
    this.#genesis = undefined;
    void left.stop();
  }

  /** @returns whether somebody may have taken the founding up just now */
  async #passGenesisOn(answers: ReadonlyMap<SlotName, Standing>): Promise<boolean> {
    if (this.#genesis === undefined || this.#cluster?.generation !== 0) return false;
    return handOver(this.#options, this.#genesis, answers);
  }

  #enter(
    facts: Pick<ClusterOptions<never>, 'clusterId' | 'seed' | 'slots' | 'epoch' | 'reused'>,
    founders: readonly PeerIdentity[] | undefined,
    known: readonly PeerIdentity[],
  ): void {
    const options = this.#options;
    const { clusterId, epoch, seed } = facts;
    const { self, send, sendSnapshot } = options;
    this.#waiting = undefined;
    this.#enteredMs = options.scheduler.monotonicMs();
    this.#cluster = new Cluster({
      ...facts,
      ...(sendSnapshot === undefined ? { self, send } : { self, send, sendSnapshot }),
      founders,
      known,
      keyring: options.openKeyring(seed, clusterId, epoch),
      durable: options.openDurableLog(seed, clusterId, epoch),
      crypto: options.crypto,
      machine: options.machine,
      scheduler: options.scheduler,
      randomInt: (bound) => randomBelow(options.random, bound),
      ...(options.tuning === undefined ? {} : { tuning: options.tuning }),
      onEvent: options.onEvent,
      onChange: options.onChange,
      onRemoved: () => {
        this.#remove('a configuration without this incarnation was applied');
      },
      fatal: options.fatal,
    });
    options.onChange();
  }

  #remove(reason: string): void {
    if (this.#removed) return;
    this.#removed = true;
    this.#event('replaced by a later incarnation of this slot', { reason });
    void this.#cluster?.stop();
    this.#options.onChange();
  }

  #standingKind(): StandingKind {
    if (this.#cluster === undefined) return this.#options.holdsSealedState ? 'sealed' : 'new';
    return this.#isUnsettled() && this.#genesis !== undefined ? 'unsettled' : 'member';
  }

  /** Nothing in its log is worth keeping, and it has no leader. */
  #isUnsettled(): boolean {
    const cluster = this.#cluster;
    if (cluster === undefined || cluster.generation > 0 || cluster.journalOpen) return false;
    return cluster.leaderlessMs() > UNSETTLED_MS;
  }

  #event(event: string, fields: Readonly<Record<string, string | number>>): void {
    this.#options.onEvent(event, fields);
  }
}

function codeOf(answer: JoinAnswer): string {
  return answer.kind === 'busy' || answer.kind === 'refused' ? answer.code : '';
}
