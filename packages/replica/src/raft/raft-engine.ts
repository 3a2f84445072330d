/**
 * The consensus engine over raft-ts: one loop that feeds ticks, messages, proposals and reads to
 * the core and carries out what its Readies ask for.
 *
 * Assumes that `receive` is called only with messages whose sender the channel has authenticated,
 * and that the scheduler's callbacks, and nothing else, run concurrently with the durable log.
 * The loop is the only thing that mutates Raft's state (hashicorp/raft issue 695), and heartbeats
 * wait neither for the disk nor for applying: both are queues beside it, and applying gives way.
 */
import {
  LocalAppendThread,
  LocalApplyThread,
  RaftError,
  RawNode,
  decodeMessage,
  nodeId as raftNodeId,
  type Message,
  type Ready,
} from 'raft-ts';
import type {
  Applied,
  ConsensusEngine,
  EngineStatus,
  MembershipChange,
  WaitOptions,
} from '../engine.ts';
import { stopped } from '../errors.ts';
import { AppendWorker } from './append-worker.ts';
import { durableStateOf, type DurableState } from './durable-records.ts';
import { Applier } from './applier.ts';
import { CommitAnnouncer } from './commit-announcer.ts';
import { Compactor } from './compactor.ts';
import { engineStatusOf } from './engine-status.ts';
import { EngineStorage } from './engine-storage.ts';
import { confChangeOf, raftConfigOf, type RaftEngineOptions } from './options.ts';
import { encodeEnvelope } from './envelope.ts';
import { Hearing } from './hearing.ts';
import { LeaderWatch } from './leader-watch.ts';
import { Mailer } from './mailer.ts';
import { Proposer, busy, notLeader } from './proposer.ts';
import { ReadBarrier } from './read-barrier.ts';
import { isLaterEpoch, loadStart, startOf, startSnapshot } from './start.ts';
import { startTicking } from './ticker.ts';
import { DEFAULT_TUNING, type EngineTuning } from './tuning.ts';

/** See the head of this file. */
export class RaftEngine implements ConsensusEngine {
  readonly #options: RaftEngineOptions;
  readonly #tuning: EngineTuning;
  readonly #node: RawNode;
  readonly #storage: EngineStorage;
  readonly #append: AppendWorker;
  readonly #reads: ReadBarrier;
  readonly #applier: Applier;
  readonly #proposer: Proposer;
  readonly #mailer: Mailer;
  readonly #leaderWatch: LeaderWatch;
  readonly #commits: CommitAnnouncer;
  readonly #compactor: Compactor;
  readonly #stopTicking: () => void;
  readonly #listeners = new Set<() => void>();
  readonly #hearing = new Hearing();
  #wasLeader = false;
  #pumpWanted = false;
  #changed = false;
  #stopped = false;

  constructor(options: RaftEngineOptions) {
    this.#options = { ...options, reused: undefined };
    this.#tuning = { ...DEFAULT_TUNING, ...options.tuning };
    const { tickMs, electionTicks, waitersMax, readRetryMs } = this.#tuning;
    this.#proposer = new Proposer({
      node: () => this.#node,
      scheduler: options.scheduler,
      waitersMax,
      batchBytesMax: this.#tuning.appendBytesMax,
      afterLossMs: 2 * electionTicks * tickMs,
    });
    this.#applier = new Applier({
      ...options,
      waitersMax,
      ...startOf(options),
      applyConfChange: (change) => this.#node.applyConfChange(change),
      onMembership: () => {
        this.#changed = true;
      },
      proposer: this.#proposer,
    });
    this.#storage = new EngineStorage({
      chain: options.chain,
      appliedIndex: () => this.#applier.appliedIndex,
      confState: () => this.#applier.confState,
      data: () => options.subscriber.snapshot(),
    });
    loadStart(this.#storage, options);
    this.#node = new RawNode(
      raftConfigOf(options, this.#tuning, this.#storage, this.#applier.appliedIndex),
    );
    this.#append = new AppendWorker({
      storage: this.#storage,
      durable: options.durable,
      start: startSnapshot(options, this.#applier, this.#storage),
      snapshotOpensJournal: (snapshot) => options.snapshotOpensJournal(snapshot.data),
      restore: (snapshot) => {
        this.#applier.restore(snapshot);
        this.#compactor.restored(snapshot.metadata.index);
      },
      deliver: (responses) => {
        this.#enter(() => {
          for (const response of responses) this.#route(response);
        });
      },
      fatal: options.fatal,
    });
    // A later epoch goes on with a manifest: it is on disk before anything else is (I3).
    if (isLaterEpoch(options)) this.#append.openWith(this.#storage.snapshot());
    this.#reads = new ReadBarrier({
      scheduler: options.scheduler,
      nodeId: options.nodeId,
      readIndex: (context) => this.#enter(() => this.#startRead(context)),
      retryMs: readRetryMs,
      waitersMax,
    });
    this.#compactor = this.#createCompactor();
    this.#mailer = this.#createMailer();
    this.#leaderWatch = this.#createLeaderWatch();
    this.#commits = new CommitAnnouncer(options.scheduler, this.#tuning.commitLingerMs, () => {
      this.#enter(() => this.#node.announceCommit());
    });
    this.#stopTicking = startTicking(options.scheduler, tickMs, () => {
      this.#enter(() => this.#node.tick());
    });
  }

  propose(
    command: Uint8Array,
    options: WaitOptions & { readonly opensJournal: boolean },
  ): Promise<Applied> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const sequence = this.#proposer.nextSequence();
    const data = this.#envelope(sequence, command, options.opensJournal);
    const answer = this.#proposer.submit(sequence, data, options.timeoutMs);
    // Everything that is proposed in this turn enters the log together.
    this.#wantPump();
    return answer;
  }

  async changeMembership(change: MembershipChange, options: WaitOptions): Promise<void> {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#applier.configuration.votersOutgoing.length > 0) throw busy('JOINT_CONFIGURATION');
    const sequence = this.#proposer.nextSequence();
    const context = this.#envelope(sequence, change.context, false);
    const answer = this.#proposer.submitChange(sequence, options.timeoutMs, () => {
      this.#node.proposeConfChange(confChangeOf(change, context));
    });
    this.#wantPump();
    await answer;
  }

  async readBarrier(options: WaitOptions): Promise<number> {
    if (this.#stopped) throw stopped();
    const index = await this.#reads.wait(options.timeoutMs);
    await this.waitApplied(index, options);
    return this.#applier.appliedIndex;
  }

  waitApplied(index: number, options: WaitOptions): Promise<void> {
    if (this.#stopped) return Promise.reject(stopped());
    return this.#applier.waitApplied(index, options.timeoutMs);
  }

  transferLeadership(to: number): void {
    this.#enter(() => {
      this.#node.transferLeader(raftNodeId(to));
    });
  }

  /** A message from a peer that the channel has authenticated as `from`. */
  receive(from: number, bytes: Uint8Array): void {
    this.#receive(from, bytes, (message) => message);
  }

  /**
   * A snapshot from a peer that the channel has authenticated as `from`.
   *
   * @param bytes the MsgSnap that announced it, without its state
   */
  receiveSnapshot(from: number, bytes: Uint8Array, state: Uint8Array): void {
    this.#receive(from, bytes, ({ snapshot, ...message }) => {
      if (snapshot?.data.byteLength !== 0) return undefined;
      return { ...message, snapshot: { ...snapshot, data: state } };
    });
  }

  /** The way to a peer is gone. */
  reportUnreachable(peer: number): void {
    if (this.#stopped) return;
    this.#leaderWatch.lineLost(peer);
    this.#enter(() => this.#node.reportUnreachable(raftNodeId(peer)));
  }

  /** Asks for an election now, without waiting for the timeout. Safe at any time. */
  campaign(): void {
    this.#enter(() => this.#node.campaign());
  }

  /** Whether the log holds a command that opened the journal, committed or not. */
  get journalOpen(): boolean {
    return this.#append.journalOpen;
  }

  /** Shortens journal and log to the state of now. */
  compact(): void {
    this.#compactor.demand();
  }

  /** The log in memory. */
  log(): DurableState {
    return durableStateOf(this.#storage);
  }

  status(): EngineStatus {
    return engineStatusOf(this.#node, this.#applier, this.#hearing);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTicking();
    this.#append.stop();
    this.#reads.stop();
    this.#applier.stop();
    this.#proposer.stop();
    this.#mailer.cancelSnapshots();
    this.#leaderWatch.stop();
    this.#listeners.clear();
    return Promise.resolve();
  }

  /** Every mutation of the core goes through here; its consequences are carried out soon. */
  #enter(mutate: () => void): void {
    if (this.#stopped) return;
    mutate();
    this.#wantPump();
  }

  #wantPump(): void {
    if (this.#pumpWanted) return;
    this.#pumpWanted = true;
    this.#options.scheduler.soon(() => {
      this.#pumpWanted = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#stopped) return;
    try {
      this.#proposer.flush();
      while (this.#node.hasReady() || this.#applier.hasWork) {
        if (this.#node.hasReady()) this.#carryOut(this.#node.ready());
        for (const response of this.#applier.next()) this.#route(response);
        this.#compactor.look();
        if (this.#isStopped()) return;
        if (!this.#applier.hasWork) continue;
        // More to apply: ticks and messages have their turn before it.
        this.#wantPump();
        break;
      }
      this.#mailer.flush();
      this.#commits.look(this.#node);
    } catch (error) {
      this.#options.fatal(error);
      return;
    }
    if (this.#changed) {
      this.#changed = false;
      for (const listener of this.#listeners) listener();
    }
  }

  #isStopped(): boolean {
    return this.#stopped;
  }

  #carryOut(ready: Ready): void {
    if (ready.softState !== undefined) this.#roleChanged(ready.softState.role === 'StateLeader');
    for (const read of ready.readStates) this.#reads.confirmed(read.requestContext, read.index);
    for (const message of ready.messages) {
      // Messages to peers stand first, and leave before the disk is given its work.
      if (message.to === LocalAppendThread) this.#mailer.flush();
      this.#route(message);
    }
  }

  #route(message: Message): void {
    if (message.to === LocalAppendThread) this.#append.enqueue(message);
    else if (message.to === LocalApplyThread) this.#applier.enqueue(message);
    else if (message.to === this.#options.nodeId) this.#node.step(message);
    else this.#mailer.post(message);
  }

  #receive(from: number, bytes: Uint8Array, complete: (message: Message) => Message | undefined) {
    if (this.#stopped) return;
    try {
      const message = complete(decodeMessage(bytes, this.#tuning.messageBytesMax));
      if (message?.from !== from || message.to !== this.#options.nodeId) {
        this.#event('raft message with a foreign sender or receiver', { from });
        return;
      }
      this.#hearing.note(from, this.#options.scheduler.monotonicMs());
      this.#enter(() => {
        this.#node.step(message);
      });
    } catch (error) {
      this.#refused(from, error);
    }
  }

  #refusal(): Error | undefined {
    if (this.#stopped) return stopped();
    const { role, lead } = this.#node.basicStatus();
    return role === 'StateLeader' ? undefined : notLeader(lead);
  }

  #envelope(sequence: number, command: Uint8Array, opensJournal: boolean): Uint8Array {
    return encodeEnvelope({ opensJournal, proposer: this.#options.nodeId, sequence, command });
  }

  #createCompactor(): Compactor {
    return new Compactor({
      tuning: this.#tuning,
      applier: this.#applier,
      storage: this.#storage,
      journal: this.#append,
    });
  }

  #createMailer(): Mailer {
    return new Mailer({
      sink: this.#options.sink,
      onUnreachable: (to) => {
        this.#node.reportUnreachable(to);
      },
      onSnapshotSent: (to, arrived) => {
        this.#enter(() => this.#node.reportSnapshot(to, arrived));
      },
    });
  }

  #createLeaderWatch(): LeaderWatch {
    const { scheduler, randomInt } = this.#options;
    return new LeaderWatch({
      scheduler,
      randomInt,
      status: () => this.#node.basicStatus(),
      heard: (nodeId) => this.#hearing.from(nodeId).count,
      silenceMs: this.#tuning.heartbeatTicks * this.#tuning.tickMs,
      onGone: () => {
        this.#enter(() => {
          this.#node.forgetLeader();
          this.#node.campaign();
        });
      },
    });
  }

  #startRead(context: Uint8Array): void {
    try {
      this.#node.readIndex(context);
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      this.#event('read index not started', { code: error.code });
    }
  }

  #roleChanged(leads: boolean): void {
    this.#changed = true;
    if (this.#wasLeader && !leads) {
      this.#proposer.leadershipLost();
      this.#mailer.cancelSnapshots();
    }
    this.#wasLeader = leads;
  }

  #refused(from: number, error: unknown): void {
    if (!(error instanceof RaftError)) this.#options.fatal(error);
    else this.#event('raft message refused', { from, code: error.code });
  }

  #event(event: string, fields: Readonly<Record<string, string | number>>): void {
    this.#options.onEvent?.(event, fields);
  }
}
