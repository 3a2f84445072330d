/**
 * The consensus engine over raft-ts: one loop that feeds ticks, messages, proposals and reads to the
 * core and carries out what its Readies ask for.
 *
 * Assumes that `receive` is called only with messages whose sender the channel has authenticated,
 * and that the scheduler's callbacks, and nothing else, run concurrently with the durable log.
 * The loop is the only thing that mutates Raft's state (hashicorp/raft issue 695), and heartbeats
 * wait neither for the disk nor for applying: both are queues beside it.
 */
import {
  LocalAppendThread,
  LocalApplyThread,
  RaftError,
  RawNode,
  decodeConfChangeV2,
  decodeMessage,
  encodeMessage,
  nodeId as raftNodeId,
  type ConfState,
  type Entry,
  type Message,
  type NodeId,
  type Ready,
  type Snapshot,
} from 'raft-ts';
import { assert } from '@witan/core';
import type {
  Applied,
  Configuration,
  ConsensusEngine,
  EngineStatus,
  MembershipChange,
  StateSubscriber,
  WaitOptions,
} from '../engine.ts';
import { ReplicaError, stopped } from '../errors.ts';
import type { DurableLog, MessageSink, Scheduler } from '../ports.ts';
import { AppendWorker } from './append-worker.ts';
import { EngineStorage } from './engine-storage.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { ReadBarrier } from './read-barrier.ts';
import { DEFAULT_TUNING, type EngineTuning } from './tuning.ts';
import { Waiters } from './waiters.ts';

export interface RaftEngineOptions {
  readonly nodeId: number;
  /** The state to start from: the genesis, or nothing for a newcomer that waits for a snapshot. */
  readonly bootstrap:
    { readonly configuration: Configuration; readonly snapshot: Uint8Array } | undefined;
  readonly subscriber: StateSubscriber;
  readonly durable: DurableLog;
  readonly sink: MessageSink;
  readonly scheduler: Scheduler;
  /** Seeded source for election jitter: a whole number from 0 to `bound` - 1. */
  readonly randomInt: (bound: number) => number;
  /** Whether a snapshot's state holds a manifest, so that it is worth keeping on disk. */
  readonly snapshotOpensJournal: (snapshot: Uint8Array) => boolean;
  /** The engine cannot go on; the process must end. */
  readonly fatal: (error: unknown) => void;
  readonly onEvent?: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  readonly tuning?: Partial<EngineTuning>;
}

/** Index of the genesis state: above 0, so that the log of every founder starts behind it. */
export const BOOTSTRAP_INDEX = 1;
const BOOTSTRAP_TERM = 1;
const CONF_CHANGE_BYTES_MAX = 64 * 1024;

export class RaftEngine implements ConsensusEngine {
  readonly #options: RaftEngineOptions;
  readonly #tuning: EngineTuning;
  readonly #node: RawNode;
  readonly #storage: EngineStorage;
  readonly #append: AppendWorker;
  readonly #reads: ReadBarrier;
  readonly #proposals: Waiters<number, Applied>;
  readonly #applyWaiters: Waiters<number, undefined>;
  readonly #listeners = new Set<() => void>();
  readonly #lastHeardMs = new Map<number, number>();
  readonly #outbox = new Map<number, Uint8Array[]>();
  #applyQueue: Message[] = [];
  #confState: ConfState;
  #appliedIndex = 0;
  #snapshotIndex = 0;
  /** Where the change that was proposed last will stand, if it is not void. */
  #pendingChange: { readonly index: number; readonly sequence: number } | undefined;
  #sequence = 0;
  #wasLeader = false;
  #pumpWanted = false;
  #changed = false;
  #stopped = false;
  #cancelTick: () => void = () => undefined;

  constructor(options: RaftEngineOptions) {
    this.#options = options;
    this.#tuning = { ...DEFAULT_TUNING, ...options.tuning };
    this.#confState = confStateOf(options.bootstrap?.configuration);
    this.#storage = new EngineStorage({
      appliedIndex: () => this.#appliedIndex,
      confState: () => this.#confState,
      data: () => options.subscriber.snapshot(),
    });
    if (options.bootstrap !== undefined) this.#bootstrap(options.bootstrap.snapshot);
    this.#node = new RawNode(this.#raftConfig());
    this.#append = new AppendWorker({
      storage: this.#storage,
      durable: options.durable,
      snapshotOpensJournal: (snapshot) => options.snapshotOpensJournal(snapshot.data),
      restore: (snapshot) => {
        this.#restore(snapshot);
      },
      deliver: (responses) => {
        this.#enter(() => {
          this.#deliver(responses);
        });
      },
      fatal: options.fatal,
    });
    const { waitersMax, readRetryMs } = this.#tuning;
    this.#reads = new ReadBarrier({
      scheduler: options.scheduler,
      nodeId: options.nodeId,
      readIndex: (context) => this.#enter(() => this.#startRead(context)),
      retryMs: readRetryMs,
      waitersMax,
    });
    this.#proposals = new Waiters(options.scheduler, waitersMax);
    this.#applyWaiters = new Waiters(options.scheduler, waitersMax);
    this.#scheduleTick();
  }

  propose(
    command: Uint8Array,
    options: WaitOptions & { readonly opensJournal: boolean },
  ): Promise<Applied> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    const data = encodeEnvelope({
      opensJournal: options.opensJournal,
      proposer: this.#options.nodeId,
      sequence,
      command,
    });
    return this.#proposeAndWait(sequence, options.timeoutMs, () => {
      this.#node.propose(data);
    });
  }

  async changeMembership(change: MembershipChange, options: WaitOptions): Promise<void> {
    this.#sequence += 1;
    const sequence = this.#sequence;
    const context = encodeEnvelope({
      opensJournal: false,
      proposer: this.#options.nodeId,
      sequence,
      command: change.context,
    });
    const joint = change.promote.length > 0 && change.remove.length > 0;
    const { configuration } = this.status();
    await this.#proposeAndWait(sequence, options.timeoutMs, () => {
      if (configuration.votersOutgoing.length > 0) throw busy('JOINT_CONFIGURATION');
      this.#pendingChange = { index: this.#node.status().lastIndex + 1, sequence };
      this.#node.proposeConfChange({
        transition: joint ? 'implicit' : 'auto',
        changes: [
          ...change.promote.map((id) => ({ type: 'add-voter' as const, nodeId: raftNodeId(id) })),
          ...change.remove.map((id) => ({ type: 'remove' as const, nodeId: raftNodeId(id) })),
          ...change.addLearners.map((id) => ({
            type: 'add-learner' as const,
            nodeId: raftNodeId(id),
          })),
        ],
        context,
      });
    });
  }

  async readBarrier(options: WaitOptions): Promise<number> {
    if (this.#stopped) throw stopped();
    const index = await this.#reads.wait(options.timeoutMs);
    await this.waitApplied(index, options);
    return this.#appliedIndex;
  }

  waitApplied(index: number, options: WaitOptions): Promise<void> {
    if (this.#stopped) return Promise.reject(stopped());
    if (index <= this.#appliedIndex) return Promise.resolve();
    return this.#applyWaiters.wait(index, options.timeoutMs, 'REPLICA_TIMED_OUT');
  }

  transferLeadership(to: number): void {
    this.#enter(() => {
      this.#node.transferLeader(raftNodeId(to));
    });
  }

  /** A message from a peer that the channel has authenticated as `from`. */
  receive(from: number, bytes: Uint8Array): void {
    if (this.#stopped) return;
    try {
      const message = decodeMessage(bytes, this.#tuning.messageBytesMax);
      if (message.from !== from || message.to !== this.#options.nodeId) {
        this.#event('raft message with a foreign sender or receiver', { from });
        return;
      }
      this.#lastHeardMs.set(from, this.#options.scheduler.monotonicMs());
      this.#enter(() => {
        this.#node.step(message);
      });
    } catch (error) {
      this.#refused(from, error);
    }
  }

  /** The way to a peer is gone. */
  reportUnreachable(peer: number): void {
    if (this.#stopped) return;
    this.#enter(() => {
      this.#node.reportUnreachable(raftNodeId(peer));
    });
  }

  /** Asks for an election now, without waiting for the timeout. Safe at any time. */
  campaign(): void {
    this.#enter(() => {
      this.#node.campaign();
    });
  }

  /** Whether the log holds a command that opened the journal, committed or not. */
  get journalOpen(): boolean {
    return this.#append.journalOpen;
  }

  status(): EngineStatus {
    const status = this.#node.status();
    const learner = !this.#confState.voters.includes(status.id);
    const roles = {
      StateLeader: 'leader',
      StateFollower: learner ? 'learner' : 'follower',
      StateCandidate: 'candidate',
      StatePreCandidate: 'candidate',
    } as const;
    const progress = new Map<number, { matchIndex: number; lastHeardMs: number }>();
    for (const [id, { match }] of status.progress) {
      const lastHeardMs = this.#lastHeardMs.get(id) ?? Number.NEGATIVE_INFINITY;
      progress.set(id, { matchIndex: match, lastHeardMs });
    }
    return {
      nodeId: status.id,
      role: roles[status.role],
      leaderId: status.lead,
      term: status.term,
      commitIndex: status.commit,
      appliedIndex: this.#appliedIndex,
      configuration: configurationOf(this.#confState),
      progress,
    };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTick();
    this.#append.stop();
    this.#reads.stop();
    this.#proposals.rejectAll();
    this.#applyWaiters.rejectAll();
    this.#listeners.clear();
    return Promise.resolve();
  }

  // --- the loop -------------------------------------------------------------------------------

  /** Every mutation of the core goes through here; its consequences are carried out soon. */
  #enter(mutate: () => void): void {
    if (this.#stopped) return;
    mutate();
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
      while (this.#node.hasReady() || this.#applyQueue.length > 0) {
        if (this.#node.hasReady()) this.#carryOut(this.#node.ready());
        this.#applyNext();
        if (this.#isStopped()) return;
      }
      this.#flushOutbox();
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
    for (const message of ready.messages) this.#route(message);
  }

  #route(message: Message): void {
    if (message.to === LocalAppendThread) this.#append.enqueue(message);
    else if (message.to === LocalApplyThread) this.#applyQueue.push(message);
    else if (message.to === this.#options.nodeId) this.#node.step(message);
    else this.#post(message);
  }

  #deliver(responses: readonly Message[]): void {
    for (const response of responses) this.#route(response);
  }

  #post(message: Message): void {
    const waiting = this.#outbox.get(message.to);
    const bytes = encodeMessage(message);
    if (waiting === undefined) this.#outbox.set(message.to, [bytes]);
    else waiting.push(bytes);
    // The channel keeps order: whatever follows a snapshot arrives after it, and a broken channel
    // reports the peer as unreachable, which starts probing again.
    if (message.type === 'MsgSnap') this.#node.reportSnapshot(message.to, true);
  }

  #flushOutbox(): void {
    for (const [to, messages] of this.#outbox) {
      if (!this.#options.sink.send(to, messages)) this.#node.reportUnreachable(raftNodeId(to));
    }
    this.#outbox.clear();
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#options.scheduler.after(this.#tuning.tickMs, () => {
      this.#scheduleTick();
      // One tick a firing, also after a stall: what a paused process missed must not make it
      // campaign before it has read what waits in its sockets.
      this.#enter(() => {
        this.#node.tick();
      });
    });
  }

  // --- applying -------------------------------------------------------------------------------

  #applyNext(): void {
    const message = this.#applyQueue.shift();
    if (message === undefined) return;
    for (const entry of message.entries) this.#apply(entry);
    this.#deliver(message.responses);
    this.#compact();
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#appliedIndex + 1, 'entries are applied in order without a gap');
    this.#appliedIndex = entry.index;
    if (entry.type === 'EntryNormal') this.#applyCommand(entry);
    else this.#applyConfChange(entry);
    this.#applyWaiters.resolve(entry.index, undefined);
  }

  #applyCommand(entry: Entry): void {
    const envelope = decodeEnvelope(entry.data);
    if (envelope === undefined) {
      // The empty entry that starts a term, or a change that was void.
      this.#options.subscriber.advance(entry.index);
      this.#changeVoid(entry.index);
      return;
    }
    const outcome = this.#options.subscriber.apply(entry.index, envelope.command);
    if (envelope.proposer !== this.#options.nodeId) return;
    this.#proposals.resolve(envelope.sequence, { index: entry.index, outcome });
  }

  #applyConfChange(entry: Entry): void {
    const change = decodeConfChangeV2(entry.data, CONF_CHANGE_BYTES_MAX);
    this.#confState = this.#node.applyConfChange(change);
    this.#changed = true;
    const envelope = decodeEnvelope(change.context);
    const context = envelope?.command ?? new Uint8Array(0);
    const configuration = configurationOf(this.#confState);
    this.#options.subscriber.applyMembership(entry.index, configuration, context);
    if (envelope?.proposer === this.#options.nodeId) {
      this.#proposals.resolve(envelope.sequence, { index: entry.index, outcome: configuration });
    }
  }

  #changeVoid(index: number): void {
    if (this.#pendingChange?.index !== index) return;
    const message = 'the configuration change was not possible when it was ordered';
    const error = new ReplicaError('REPLICA_MEMBERSHIP_REFUSED', message, { fields: { index } });
    this.#proposals.reject(this.#pendingChange.sequence, error);
  }

  #restore(snapshot: Snapshot): void {
    const { index, confState } = snapshot.metadata;
    this.#confState = confState;
    this.#appliedIndex = index;
    this.#snapshotIndex = index;
    this.#changed = true;
    this.#options.subscriber.restore(index, configurationOf(confState), snapshot.data);
    for (const key of this.#applyWaiters.keys()) {
      if (key <= index) this.#applyWaiters.resolve(key, undefined);
    }
  }

  #compact(): void {
    const { snapshotEntries, keepEntries } = this.#tuning;
    if (this.#appliedIndex - this.#snapshotIndex < snapshotEntries) return;
    this.#snapshotIndex = this.#appliedIndex;
    const keepFrom = this.#appliedIndex - keepEntries;
    if (keepFrom > this.#storage.firstIndex()) this.#storage.compact(keepFrom);
    this.#append.shorten(this.#storage.snapshot());
  }

  // --- helpers --------------------------------------------------------------------------------

  #bootstrap(snapshot: Uint8Array): void {
    const metadata = {
      index: BOOTSTRAP_INDEX,
      term: BOOTSTRAP_TERM,
      confState: this.#confState,
    };
    this.#storage.applySnapshot({ data: snapshot, metadata });
    this.#storage.setHardState({
      term: BOOTSTRAP_TERM,
      vote: 0 as NodeId,
      commit: BOOTSTRAP_INDEX,
    });
    this.#appliedIndex = BOOTSTRAP_INDEX;
    this.#snapshotIndex = BOOTSTRAP_INDEX;
  }

  #proposeAndWait(sequence: number, timeoutMs: number, propose: () => void): Promise<Applied> {
    if (this.#stopped) return Promise.reject(stopped());
    const status = this.#node.basicStatus();
    if (status.role !== 'StateLeader') {
      const fields = { leaderId: status.lead };
      const message = 'this replica does not lead';
      return Promise.reject(new ReplicaError('REPLICA_NOT_LEADER', message, { fields }));
    }
    const answer = this.#proposals.wait(sequence, timeoutMs, 'REPLICA_TIMED_OUT');
    try {
      this.#enter(propose);
    } catch (error) {
      const refusal = error instanceof RaftError ? busy(error.code, error) : error;
      this.#proposals.reject(sequence, refusal);
    }
    return answer;
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
      const message = 'leadership was lost before the command was applied';
      this.#proposals.rejectAll(new ReplicaError('REPLICA_OUTCOME_UNKNOWN', message));
    }
    this.#wasLeader = leads;
  }

  #refused(from: number, error: unknown): void {
    if (!(error instanceof RaftError)) {
      this.#options.fatal(error);
      return;
    }
    this.#event('raft message refused', { from, code: error.code });
  }

  #event(event: string, fields: Readonly<Record<string, string | number>>): void {
    this.#options.onEvent?.(event, fields);
  }

  #raftConfig(): ConstructorParameters<typeof RawNode>[0] {
    const tuning = this.#tuning;
    return {
      id: raftNodeId(this.#options.nodeId),
      electionTicks: tuning.electionTicks,
      heartbeatTicks: tuning.heartbeatTicks,
      storage: this.#storage,
      applied: this.#appliedIndex,
      asyncStorageWrites: true,
      maxSizePerMessageBytes: tuning.appendBytesMax,
      maxCommittedSizePerReadyBytes: tuning.appendBytesMax,
      maxUncommittedEntriesBytes: tuning.uncommittedBytesMax,
      maxInflightMessages: tuning.inflightMessagesMax,
      maxInflightBytes: tuning.inflightBytesMax,
      checkQuorum: true,
      preVote: true,
      readOnly: 'safe',
      randomInt: this.#options.randomInt,
      disableProposalForwarding: true,
      disableConfChangeValidation: false,
      stepDownOnRemoval: true,
    };
  }
}

function busy(code: string, cause?: unknown): ReplicaError {
  return new ReplicaError('REPLICA_BUSY', 'the log takes no such entry now', {
    fields: { code },
    ...(cause === undefined ? {} : { cause }),
  });
}

function confStateOf(configuration: Configuration | undefined): ConfState {
  return {
    voters: (configuration?.voters ?? []).map(raftNodeId),
    votersOutgoing: [],
    learners: (configuration?.learners ?? []).map(raftNodeId),
    learnersNext: [],
    autoLeave: false,
  };
}

function configurationOf(state: ConfState): Configuration {
  const learners = [...state.learners, ...state.learnersNext].sort((left, right) => left - right);
  return { voters: state.voters, votersOutgoing: state.votersOutgoing, learners };
}
