/**
 * The consensus engine over raft-ts: one loop that feeds ticks, messages, proposals and reads to
 * the core and carries out what its Readies ask for.
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
  decodeMessage,
  encodeMessage,
  nodeId as raftNodeId,
  type Message,
  type NodeId,
  type Ready,
} from 'raft-ts';
import type {
  Applied,
  ConsensusEngine,
  EngineStatus,
  MembershipChange,
  WaitOptions,
} from '../engine.ts';
import { ReplicaError, stopped } from '../errors.ts';
import { AppendWorker } from './append-worker.ts';
import { Applier } from './applier.ts';
import { EngineStorage } from './engine-storage.ts';
import { confChangeOf, confStateOf, raftConfigOf, type RaftEngineOptions } from './options.ts';
import { encodeEnvelope } from './envelope.ts';
import { Hearing } from './hearing.ts';
import { ReadBarrier } from './read-barrier.ts';
import { DEFAULT_TUNING, type EngineTuning } from './tuning.ts';

/** Index of the genesis state: above 0, so that the log of every founder starts behind it. */
export const BOOTSTRAP_INDEX = 1;
const BOOTSTRAP_TERM = 1;

/** See the head of this file. */
export class RaftEngine implements ConsensusEngine {
  readonly #options: RaftEngineOptions;
  readonly #tuning: EngineTuning;
  readonly #node: RawNode;
  readonly #storage: EngineStorage;
  readonly #append: AppendWorker;
  readonly #reads: ReadBarrier;
  readonly #applier: Applier;
  readonly #listeners = new Set<() => void>();
  readonly #hearing = new Hearing();
  readonly #outbox = new Map<number, Uint8Array[]>();
  #snapshotIndex: number;
  #sequence = 0;
  #wasLeader = false;
  #pumpWanted = false;
  #changed = false;
  #stopped = false;
  #cancelTick: () => void = () => undefined;

  constructor(options: RaftEngineOptions) {
    this.#options = options;
    this.#tuning = { ...DEFAULT_TUNING, ...options.tuning };
    const { bootstrap } = options;
    this.#applier = new Applier({
      ...options,
      waitersMax: this.#tuning.waitersMax,
      appliedIndex: bootstrap === undefined ? 0 : BOOTSTRAP_INDEX,
      confState: confStateOf(bootstrap?.configuration),
      applyConfChange: (change) => this.#node.applyConfChange(change),
      onMembership: () => {
        this.#changed = true;
      },
    });
    this.#snapshotIndex = this.#applier.appliedIndex;
    this.#storage = new EngineStorage({
      appliedIndex: () => this.#applier.appliedIndex,
      confState: () => this.#applier.confState,
      data: () => options.subscriber.snapshot(),
    });
    if (bootstrap !== undefined) this.#bootstrap(bootstrap.snapshot);
    this.#node = new RawNode(
      raftConfigOf(options, this.#tuning, this.#storage, this.#applier.appliedIndex),
    );
    this.#append = new AppendWorker({
      storage: this.#storage,
      durable: options.durable,
      snapshotOpensJournal: (snapshot) => options.snapshotOpensJournal(snapshot.data),
      restore: (snapshot) => {
        this.#applier.restore(snapshot);
        this.#snapshotIndex = snapshot.metadata.index;
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
    const { configuration } = this.status();
    await this.#proposeAndWait(sequence, options.timeoutMs, () => {
      if (configuration.votersOutgoing.length > 0) throw busy('JOINT_CONFIGURATION');
      this.#applier.expectChange(this.#node.status().lastIndex + 1, sequence);
      this.#node.proposeConfChange(confChangeOf(change, context));
    });
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
    if (this.#stopped) return;
    try {
      const message = decodeMessage(bytes, this.#tuning.messageBytesMax);
      if (message.from !== from || message.to !== this.#options.nodeId) {
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
    const { appliedIndex, configuration } = this.#applier;
    const learner = !configuration.voters.includes(status.id);
    const roles = {
      StateLeader: 'leader',
      StateFollower: learner ? 'learner' : 'follower',
      StateCandidate: 'candidate',
      StatePreCandidate: 'candidate',
    } as const;
    return {
      nodeId: status.id,
      role: roles[status.role],
      leaderId: status.lead,
      leaderHeard: this.#hearing.from(status.lead).count,
      term: status.term,
      commitIndex: status.commit,
      appliedIndex,
      configuration,
      progress: this.#hearing.progressOf(status.progress),
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
    this.#applier.stop();
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
      while (this.#node.hasReady() || this.#applier.hasWork) {
        if (this.#node.hasReady()) this.#carryOut(this.#node.ready());
        this.#deliver(this.#applier.next());
        this.#compact();
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
    else if (message.to === LocalApplyThread) this.#applier.enqueue(message);
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

  #compact(): void {
    const { snapshotEntries, keepEntries } = this.#tuning;
    const { appliedIndex } = this.#applier;
    if (appliedIndex - this.#snapshotIndex < snapshotEntries) return;
    this.#snapshotIndex = appliedIndex;
    const keepFrom = appliedIndex - keepEntries;
    if (keepFrom > this.#storage.firstIndex()) this.#storage.compact(keepFrom);
    this.#append.shorten(this.#storage.snapshot());
  }

  // --- helpers --------------------------------------------------------------------------------

  #bootstrap(snapshot: Uint8Array): void {
    const metadata = {
      index: BOOTSTRAP_INDEX,
      term: BOOTSTRAP_TERM,
      confState: this.#applier.confState,
    };
    this.#storage.applySnapshot({ data: snapshot, metadata });
    this.#storage.setHardState({
      term: BOOTSTRAP_TERM,
      vote: 0 as NodeId,
      commit: BOOTSTRAP_INDEX,
    });
  }

  #proposeAndWait(sequence: number, timeoutMs: number, propose: () => void): Promise<Applied> {
    if (this.#stopped) return Promise.reject(stopped());
    const status = this.#node.basicStatus();
    if (status.role !== 'StateLeader') {
      const fields = { leaderId: status.lead };
      const message = 'this replica does not lead';
      return Promise.reject(new ReplicaError('REPLICA_NOT_LEADER', message, { fields }));
    }
    const answer = this.#applier.proposals.wait(sequence, timeoutMs, 'REPLICA_TIMED_OUT');
    try {
      this.#enter(propose);
    } catch (error) {
      const refusal = error instanceof RaftError ? busy(error.code, error) : error;
      this.#applier.proposals.reject(sequence, refusal);
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
      this.#applier.proposals.rejectAll(new ReplicaError('REPLICA_OUTCOME_UNKNOWN', message));
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
}

function busy(code: string, cause?: unknown): ReplicaError {
  return new ReplicaError('REPLICA_BUSY', 'the log takes no such entry now', {
    fields: { code },
    ...(cause === undefined ? {} : { cause }),
  });
}
