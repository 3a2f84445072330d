/**
 * The life of one incarnation (I2): find the others, found a cluster with them or be let into
 * theirs, take part, and stop for good once replaced.
 *
 * Assumes that every call from a peer comes with the identity that its attested channel proved.
 */
import { assert, type IncarnationId, type Sha256Hex, type SlotName } from '@witan/core';
import type { ValidatedManifest } from '@witan/manifest';
import type { Cluster } from './life/cluster.ts';
import { decide, type Waiting } from './life/decide.ts';
import { enterCluster, type Entry } from './life/enter.ts';
import { foundingOf, handOver } from './life/founding.ts';
import { lifeOf, refuseGenesis } from './life/genesis.ts';
import { answerJoin, askToJoin, refusalFields } from './life/join.ts';
import { greetAll, isLed, isSuperseded, wasReplaced } from './life/look.ts';
import { Recovering } from './life/recovering.ts';
import { sleep } from './life/sleep.ts';
import { findReusable } from './reuse/reuse.ts';
import type { RecoveryNotice, ShareSubmission } from './recovery/ports.ts';
import type { RecoveryProgress } from './recovery/progress.ts';
import type { Phase, ReplicaOptions } from './replica-options.ts';
import {
  isSameLife,
  type ClusterLife,
  type Genesis,
  type JoinAnswer,
  type JoinRequest,
  type PeerIdentity,
  type Standing,
  type StandingKind,
} from './standing.ts';

/** Pause between two looks around, in milliseconds; short at first, then longer. */
const LOOK_MS = 100;
const LOOK_MS_MAX = 500;
/** A cluster without manifest and leader for this long may be founded again. */
const UNSETTLED_MS = 3_000;
/** A member without a leader for this long looks around, whether it was replaced. */
const LEADERLESS_MS = 1_000;
/** A newcomer that was let in and has no state after this long asks again. */
const STATELESS_MS = 500;

/** See the head of this file. */
export class Replica<ReferenceValues> {
  readonly #options: ReplicaOptions<ReferenceValues>;
  #cluster: Cluster<ReferenceValues> | undefined;
  #genesis: Genesis | undefined;
  readonly #recovering: Recovering<ReferenceValues>;
  /** Lives of clusters that this process has left: it never takes part in one twice (I2). */
  readonly #left: ClusterLife[] = [];
  #removed = false;
  #stopped = false;
  #waiting: Waiting | undefined;
  #lookMs = LOOK_MS;
  #enteredMs = 0;

  constructor(options: ReplicaOptions<ReferenceValues>) {
    this.#options = options;
    this.#recovering = new Recovering(options, {
      cluster: () => this.#cluster,
      isLeaderless: () => this.#isLeaderless(),
      isOver: () => this.#stopped || this.#removed,
      left: (life) => {
        this.#left.push(life);
        void this.#cluster?.stop();
        this.#cluster = undefined;
        this.#genesis = undefined;
      },
      takeUp: this.#takeUp.bind(this),
    });
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
    if (cluster === undefined) return this.#isRecovering() ? 'sealed' : 'discovering';
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
    const life = lifeOf(genesis);
    if (this.#isIn(life)) return { accepted: true, code: '' };
    const rules = { promised: this.#recovering.promised, crypto: this.#options.crypto };
    const refusal = refuseGenesis(genesis, this.standing(), from, rules);
    const isOver = this.#removed || this.#stopped || this.#hasLeft(life);
    if (refusal !== undefined || isOver) return { accepted: false, code: refusal ?? 'STOPPING' };
    this.#takeUp(genesis);
    return { accepted: true, code: '' };
  }

  joinAsked(request: JoinRequest, from: IncarnationId): Promise<JoinAnswer> {
    return answerJoin(this.#cluster, request, from, this.#options.onEvent);
  }

  messagesArrived(from: PeerIdentity, life: ClusterLife, messages: readonly Uint8Array[]): void {
    if (this.#isIn(life)) this.#cluster?.receive(from, messages);
  }

  /** See `Recovering.noticed`. */
  recoveryNoticed(notice: RecoveryNotice, from: IncarnationId): Promise<RecoveryNotice> {
    return this.#recovering.noticed(notice, from);
  }

  // --- what owners ask --------------------------------------------------------------------------

  /**
   * Takes an owner's share, with what the owner authorises, for a full recovery.
   *
   * @returns whose share it is
   * @throws ReplicaError REPLICA_NOT_RECOVERING; KeysError KEYS_SHARE_*
   */
  submitShare(submission: ShareSubmission): { readonly owner: Sha256Hex } {
    this.#lookMs = LOOK_MS;
    return this.#recovering.submit(submission);
  }

  /** How far a full recovery is; undefined where none is under way. */
  recoveryProgress(): RecoveryProgress | undefined {
    return this.#isRecovering() || this.#isLeaderless() ? this.#recovering.progress() : undefined;
  }

  /** Who is a replica: by the cluster, once this is a member (I4); else by what is recovered. */
  get manifestInForce(): ValidatedManifest<ReferenceValues> | undefined {
    const cluster = this.#cluster;
    return cluster?.isMember() === true
      ? cluster.state.machine.manifest
      : this.#recovering.manifest;
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
    if (hasGenesis) return cluster.status().leaderId === 0;
    // Let in for a while, and still nothing says so: the admission may be void by now.
    const forMs = this.#options.scheduler.monotonicMs() - this.#enteredMs;
    return !cluster.isMember() && forMs > STATELESS_MS;
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
    const past = this.#recovering.survived ?? (this.#isLeaderless() ? this.#cluster : undefined);
    if (past !== undefined && isSuperseded(past, this.#cluster === undefined, answers)) {
      this.#remove('the cluster lives on without this incarnation');
      return;
    }
    this.#forsake();
    // Whoever has just taken up the founding answers differently now.
    if (await this.#passGenesisOn(answers)) return;
    const own = this.standing();
    if (
      this.#recovering.survived !== undefined ||
      (own.kind === 'member' && this.#cluster?.isMember() === true)
    ) {
      await this.#recover(answers);
      return;
    }
    const decision = decide(own, answers);
    switch (decision.kind) {
      case 'join':
        this.#waiting = undefined;
        await this.#join(decision.at);
        // Whoever answers may be all that survived.
        return isLed(answers) ? undefined : this.#recover(answers);
      case 'found':
        this.#found(decision.members);
        return undefined;
      case 'wait':
        if (this.#waiting?.code !== decision.code) {
          this.#event('waiting', { code: decision.code, slots: decision.slots.join(',') });
        }
        this.#waiting = decision;
        return decision.code === 'RECOVERY_NEEDED' ? this.#recover(answers) : undefined;
      default:
        return decision satisfies never;
    }
  }

  async #recover(answers: ReadonlyMap<SlotName, Standing>): Promise<void> {
    if (await this.#recovering.round(answers)) await this.#passGenesisOn(answers);
  }

  #isRecovering(): boolean {
    return this.#standingKind() === 'sealed' && this.#recovering.isActive;
  }

  #isLeaderless(): boolean {
    const cluster = this.#cluster;
    return cluster !== undefined && cluster.leaderlessMs() > LEADERLESS_MS;
  }

  #isIn(life: ClusterLife): boolean {
    return this.#cluster !== undefined && isSameLife(this.#cluster, life);
  }

  #hasLeft(life: ClusterLife): boolean {
    return this.#left.some((left) => isSameLife(left, life));
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
        this.#event('not admitted', refusalFields(answer, self));
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
    if (this.#isIn(answer)) return;
    this.#event('admitted as a learner', { clusterId: answer.clusterId, epoch: answer.epoch });
    if (this.#hasLeft(answer)) {
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
    this.#enter({ ...answer, reused, founders: undefined, known: answer.members });
  }

  /**
   * A newcomer that was let in, and has received no manifest when the cluster loses its leader,
   * holds nothing that would be missed, and no founding to hand on: it is free again, as if it had
   * just started.
   */
  #forsake(): void {
    const cluster = this.#cluster;
    if (cluster === undefined || this.#genesis !== undefined || !this.#isUnsettled()) return;
    this.#event('unsettled cluster left', { clusterId: cluster.clusterId });
    this.#leave();
  }

  // --- founding ---------------------------------------------------------------------------------

  #found(members: readonly PeerIdentity[]): void {
    const genesis = foundingOf(this.#options, this.#options.slots, members);
    this.#event('cluster founded', { clusterId: genesis.clusterId, members: members.length });
    this.#takeUp(genesis);
    this.#lookMs = LOOK_MS;
  }

  #takeUp(genesis: Genesis): void {
    this.#leave();
    this.#genesis = genesis;
    const { members } = genesis;
    this.#enter({ ...genesis, ...lifeOf(genesis), founders: members, known: members });
  }

  /** Leaves a cluster that never had a manifest, for good. */
  #leave(): void {
    const left = this.#cluster;
    if (left === undefined) return;
    assert(left.generation === 0 && !left.journalOpen, 'only an unsettled cluster is left (I2)');
    const { clusterId, epoch, opening } = left;
    this.#left.push({ clusterId, epoch, opening });
    this.#cluster = undefined;
    this.#genesis = undefined;
    void left.stop();
  }

  /** @returns whether somebody may have taken the founding up just now */
  async #passGenesisOn(answers: ReadonlyMap<SlotName, Standing>): Promise<boolean> {
    const genesis = this.#genesis;
    const cluster = this.#cluster;
    if (genesis === undefined || cluster === undefined) return false;
    if (genesis.reopening === undefined && cluster.generation > 0) return false;
    return handOver(this.#options, genesis, answers);
  }

  #enter(entry: Entry): void {
    this.#waiting = undefined;
    this.#enteredMs = this.#options.scheduler.monotonicMs();
    this.#cluster = enterCluster(this.#options, entry, () => {
      this.#remove('a configuration without this incarnation was applied');
    });
    this.#recovering.over();
    this.#options.onChange();
  }

  #remove(reason: string): void {
    if (this.#removed) return;
    this.#removed = true;
    this.#event('replaced by a later incarnation of this slot', { reason });
    void this.#cluster?.stop();
    this.#options.onChange();
  }

  #standingKind(): StandingKind {
    if (this.#cluster === undefined) {
      const holds = this.#options.holdsSealedState || this.#recovering.survived !== undefined;
      return holds ? 'sealed' : 'new';
    }
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
