/**
 * A replica's part in one cluster: engine, state, directory and admission desk, wired together.
 * Ends when the replica stops, is replaced, or takes up another founding.
 */
import {
  utf8,
  type ClusterId,
  type Epoch,
  type IncarnationId,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import type { Applied, Configuration, ConsensusEngine, EngineStatus } from '../engine.ts';
import type { Seed } from '../ports.ts';
import { LogChain } from '../raft/log-chain.ts';
import { RaftEngine } from '../raft/raft-engine.ts';
import type { ReusedLog } from '../reuse/reused-log.ts';
import { answerMarks, takeUp } from '../reuse/reuse.ts';
import type { FormerLog } from '../recovery/ports.ts';
import type {
  ArrivedSnapshot,
  ConfirmAnswer,
  ConfirmRequest,
  JoinAnswer,
  JoinRequest,
  PeerIdentity,
  Standing,
} from '../standing.ts';
import { AdmissionDesk } from './admission.ts';
import { beginning, bootstrapOf } from './beginning.ts';
import type { ClusterOptions } from './cluster-options.ts';
import { ClusterState, snapshotHoldsManifest, type CommandOutcome } from './cluster-state.ts';
import { Directory } from './directory.ts';
import { Listening } from './listening.ts';
import { Refusals } from './refusals.ts';
import { Rekeying } from './rekeying.ts';
import { SeedDesk } from './seed-desk.ts';
import { sinkTo } from './sink.ts';
import { sleep } from './sleep.ts';
import { Steward } from './steward.ts';
import { VersionGate } from './versions.ts';

/** Between two looks at who is heard, in milliseconds. */
const BEAT_MS = 100;
const CHANGE_TIMEOUT_MS = 5_000;

/** See the head of this file. */
export class Cluster<ReferenceValues> {
  readonly engine: ConsensusEngine;
  readonly state: ClusterState<ReferenceValues>;
  /** The hash chain over the log: confirms what a journal was found to hold (I4). */
  readonly chain: LogChain;
  /** Answers operators, while this replica leads. */
  readonly steward: Steward;
  /** What members announced that they apply, and what may be proposed. */
  readonly versions: VersionGate;
  /** Up to here the log is that of an earlier incarnation of this slot; 0 for none of it. */
  readonly reusedIndex: number;
  readonly seeds: SeedDesk;
  readonly #raft: RaftEngine;
  readonly #options: ClusterOptions<ReferenceValues>;
  readonly #directory: Directory;
  readonly #desk: AdmissionDesk;
  readonly #rekeying: Rekeying;
  readonly #refusals: Refusals;
  /** The index that the epoch began with here. */
  readonly #begunAt: number;
  #wasMember: boolean;
  readonly #listening = new Listening();
  #stopped = false;

  constructor(options: ClusterOptions<ReferenceValues>) {
    const { founders } = options;
    // What is reused lives in the engine's log from now on, and goes with it.
    this.#options = { ...options, reused: undefined };
    this.#wasMember = founders !== undefined;
    this.#refusals = new Refusals(options.onEvent);
    this.#directory = new Directory(founders ?? [], founders === undefined ? options.known : []);
    this.#rekeying = new Rekeying({
      generations: options.keyring.generations,
      isNewEpoch: options.epoch > 1,
      propose: (command) => this.propose(command, false, CHANGE_TIMEOUT_MS),
      onEvent: options.onEvent,
    });
    this.seeds = new SeedDesk({
      ...options,
      life: options,
      generations: options.keyring.generations,
      rotation: options.seedRotation,
      state: () => this.state.machine,
      propose: (command) => this.propose(command, false, CHANGE_TIMEOUT_MS),
      steward: () => this.steward,
      log: () => this.#raft,
    });
    this.state = new ClusterState(
      {
        keyring: options.keyring,
        crypto: options.crypto,
        machine: options.machine,
        takeGeneration: (command) => this.#rekeying.take(command),
        candidates: () => this.seeds.candidates,
        onSeeds: this.seeds.follow.bind(this.seeds),
        onRestored: this.#rekeying.memberLeft.bind(this.#rekeying),
        onMembers: this.#membersChanged.bind(this),
        onApplied: (outcome) => {
          this.#rekeying.applied(outcome);
          options.onChange();
        },
        onEvent: options.onEvent,
      },
      beginning(options),
    );
    const context = utf8(`${options.clusterId}/${options.epoch}/${options.opening}`);
    this.chain = new LogChain((...parts) => options.crypto.hash('sha256', ...parts), context);
    this.#begunAt = founders === undefined ? 0 : this.state.machine.appliedIndex;
    const reused = takeUp(options.reused, this.state, options.onEvent);
    this.reusedIndex = reused?.mark.index ?? 0;
    this.#raft = this.#createEngine(reused);
    this.engine = this.#raft;
    this.versions = this.#createGate();
    this.#desk = this.#createDesk();
    this.steward = new Steward({
      engine: this.#raft,
      scheduler: options.scheduler,
      slots: () => this.state.machine.slots,
      members: () => this.state.members(),
      isLive: (peer, status) => this.#desk.isLive(peer, status),
      versions: this.versions,
      isSettled: () => this.#desk.isSettled,
    });
    this.engine.onChange(options.onChange);
    this.#watch();
  }

  get clusterId(): ClusterId {
    return this.#options.clusterId;
  }

  get epoch(): Epoch {
    return this.#options.epoch;
  }

  get opening(): Sha256Hex {
    return this.#options.opening;
  }

  /** Whether this epoch has committed anything: from then on no other opening passes it by. */
  get hasCommitted(): boolean {
    return this.status().commitIndex > this.#begunAt;
  }

  get founders(): readonly PeerIdentity[] | undefined {
    return this.#options.founders;
  }

  /** All seeds as one value, without those that may come into force. */
  get seed(): Seed {
    return this.seeds.encode(false);
  }

  get slots(): readonly SlotName[] {
    return this.state.machine.slots;
  }

  get generation(): number {
    return this.state.machine.generation;
  }

  /** Whether a new generation of sealing keys is still to begin. */
  get isRekeyingDue(): boolean {
    return this.#rekeying.isDue;
  }

  /** Whether this replica's log holds a manifest, committed or not. */
  get journalOpen(): boolean {
    return this.#raft.journalOpen;
  }

  status(): EngineStatus {
    return this.engine.status();
  }

  /** For how many milliseconds nothing came from a leader. A removed learner notices by this. */
  leaderlessMs(): number {
    return this.#listening.silentBeats * BEAT_MS;
  }

  /**
   * Whether the configuration that was applied here names this incarnation. A newcomer's does not
   * before the snapshot and the entry that let it in have arrived.
   */
  isMember(): boolean {
    const { voters, votersOutgoing, learners } = this.status().configuration;
    return [...voters, ...votersOutgoing, ...learners].includes(this.#options.self.nodeId);
  }

  isVoter(): boolean {
    return this.status().configuration.voters.includes(this.#options.self.nodeId);
  }

  members(): readonly PeerIdentity[] {
    return this.#directory.members();
  }

  peer(nodeId: number): PeerIdentity | undefined {
    return nodeId === this.#options.self.nodeId ? this.#options.self : this.#directory.find(nodeId);
  }

  leader(): PeerIdentity | undefined {
    const { leaderId } = this.status();
    return leaderId === 0 ? undefined : this.peer(leaderId);
  }

  standing(): NonNullable<Standing['cluster']> {
    const leader = this.leader();
    return {
      clusterId: this.clusterId,
      epoch: this.epoch,
      opening: this.opening,
      appliedIndex: this.status().appliedIndex,
      members: this.members(),
      ...(leader === undefined ? {} : { leader }),
    };
  }

  /** Raft messages from an attested peer that speaks for this cluster. */
  receive(from: PeerIdentity, messages: readonly Uint8Array[]): void {
    if (this.#directory.isRetired(from.incarnation)) {
      this.#refusals.note('zombie', from);
      return;
    }
    this.#directory.meet(from);
    this.versions.heard(from);
    for (const message of messages) this.#raft.receive(from.nodeId, message);
  }

  /** Whether a snapshot from that peer would be looked at. */
  expectsSnapshot(from: PeerIdentity): boolean {
    return !this.#directory.isRetired(from.incarnation);
  }

  /** A snapshot from an attested peer that speaks for this cluster. */
  receiveSnapshot({ from, message, state }: ArrivedSnapshot): void {
    if (this.#directory.isRetired(from.incarnation)) {
      this.#refusals.note('zombie', from);
      return;
    }
    this.#directory.meet(from);
    this.#raft.receiveSnapshot(from.nodeId, message, state);
  }

  /** An attested replica spoke for another cluster, or for another epoch of this one. */
  refuseForeign(from: PeerIdentity, clusterId: ClusterId, epoch: Epoch): void {
    const kind = clusterId === this.clusterId ? 'epoch' : 'cluster';
    this.#refusals.note(kind, from, { clusterId, epoch });
  }

  reportUnreachable(peer: PeerIdentity): void {
    this.#raft.reportUnreachable(peer.nodeId);
  }

  async join(request: JoinRequest, from: IncarnationId): Promise<JoinAnswer> {
    const admission = await this.#desk.admit(request, from);
    switch (admission.kind) {
      case 'admitted': {
        const { clusterId, epoch, opening } = this.#options;
        const { slots } = this.state.machine;
        const seed = this.seeds.encode();
        const members = this.members();
        return { kind: 'admitted', clusterId, epoch, opening, seed, slots, members };
      }
      case 'not-leader': {
        const leader = this.leader();
        return leader === undefined ? { kind: 'not-leader' } : { kind: 'not-leader', leader };
      }
      case 'busy':
      case 'refused':
        return admission;
      default:
        return admission satisfies never;
    }
  }

  /** Says how much of a newcomer's former log is this cluster's, where this replica leads. */
  confirmLog(request: ConfirmRequest, from: IncarnationId): Promise<ConfirmAnswer> {
    return answerMarks({ cluster: this, timeoutMs: CHANGE_TIMEOUT_MS }, request, from);
  }

  propose(command: Uint8Array, opensJournal: boolean, timeoutMs: number): Promise<Applied> {
    const sealed = this.#options.keyring.sealCommand(command);
    return this.engine.propose(sealed, { opensJournal, timeoutMs });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.engine.stop();
  }

  /** What this incarnation holds in memory, for a recovery. To be called once it has stopped. */
  formerLog(): FormerLog {
    const { clusterId, epoch, self, keyring } = this.#options;
    // With the next seed: the step that puts it into force may be at the end of this log.
    const [state, seed] = [this.#raft.log(), this.seeds.encode()];
    return { incarnation: self.incarnation, clusterId, epoch, state, seed, keyring };
  }

  #createEngine(reused: ReusedLog | undefined): RaftEngine {
    const { self, scheduler } = this.#options;
    return new RaftEngine({
      nodeId: self.nodeId,
      bootstrap: bootstrapOf(this.#options, this.state),
      reused,
      subscriber: this.state,
      durable: this.#options.durable,
      sink: sinkTo(this.#directory, this.#options),
      scheduler,
      randomInt: this.#options.randomInt,
      snapshotOpensJournal: snapshotHoldsManifest,
      chain: this.chain,
      fatal: this.#options.fatal,
      onEvent: this.#options.onEvent,
      ...(this.#options.tuning === undefined ? {} : { tuning: this.#options.tuning }),
    });
  }

  #createDesk(): AdmissionDesk {
    return new AdmissionDesk({
      engine: this.#raft,
      slots: () => this.state.machine.slots,
      hasManifest: () => this.state.machine.generation > 0,
      members: () => this.state.members(),
      check: (change) => this.state.machine.checkMembership(change)?.kind,
      versions: this.versions,
      isRetired: (incarnation) => this.#directory.isRetired(incarnation),
      stepDown: () => {
        this.steward.handOver();
      },
      onRefused: (kind, peer, fields) => {
        this.#refusals.note(kind, peer, fields);
      },
      timeoutMs: CHANGE_TIMEOUT_MS,
      onEvent: this.#options.onEvent,
    });
  }

  #createGate(): VersionGate {
    return new VersionGate({
      self: this.#options.self,
      engine: this.#raft,
      members: () => this.state.members(),
      versions: () => this.state.machine.versions,
      propose: async (command) => {
        const { outcome } = await this.propose(command, false, CHANGE_TIMEOUT_MS);
        const applied = outcome as CommandOutcome;
        return applied.kind === 'applied' ? applied.result : undefined;
      },
      exclusively: (run) => this.#desk.exclusively(run),
      pause: () => sleep(this.#options.scheduler, BEAT_MS),
      timeoutMs: CHANGE_TIMEOUT_MS,
      onEvent: this.#options.onEvent,
    });
  }

  #membersChanged(members: readonly PeerIdentity[], configuration: Configuration): void {
    const remaining = new Set(members.map((peer) => peer.incarnation));
    const left = this.#directory.members().some((peer) => !remaining.has(peer.incarnation));
    if (left) this.#rekeying.memberLeft(this.state.machine.appliedIndex);
    this.#directory.replace(members);
    const { self, onRemoved, onEvent } = this.#options;
    const isMember = members.some((peer) => peer.nodeId === self.nodeId);
    onEvent('configuration applied', {
      voters: configuration.voters.length,
      outgoing: configuration.votersOutgoing.length,
      learners: configuration.learners.length,
    });
    if (isMember) this.#directory.forgetHints();
    if (this.#wasMember && !isMember) onRemoved();
    this.#wasMember = isMember;
  }

  /** Notes whether a leader is heard, and lets the desk swap in learners that have caught up. */
  #watch(): void {
    this.#options.scheduler.after(BEAT_MS, () => {
      if (this.#stopped) return;
      const { role } = this.status();
      this.#listening.beat(this.status());
      if (role === 'leader') void this.versions.beat();
      const isJoint = this.status().configuration.votersOutgoing.length > 0;
      if (role === 'leader' && !isJoint) {
        void this.#rekeying.beat(this.state.machine.appliedIndex);
        void this.seeds.beat();
      }
      this.#desk.beat().catch((error: unknown) => {
        this.#options.onEvent('swap not carried through', { error: String(error) });
      });
      this.#watch();
    });
  }
}
