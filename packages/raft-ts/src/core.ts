/**
 * The state of one node, shared by the modules that act on it (election, replication, commit, …).
 * Nothing here decides anything: it holds fields, the two queues of outgoing messages, and timers.
 */
import { validateConfig, type Config, type ValidatedConfig } from './config.ts';
import { RaftError, assert } from './errors.ts';
import type { IgnoredReason, RaftEvent, Role } from './events.ts';
import { RaftLog } from './log/raft-log.ts';
import { adoptTracker, restoreTracker, type ChangeContext } from './membership/changer.ts';
import type { InflightLimits, Tracker } from './membership/tracker.ts';
import type { Progress } from './progress/progress.ts';
import { ReadQueue, type ReadState } from './read-queue.ts';
import { traceMessage } from './trace.ts';
import {
  NO_NODE,
  isEmptyHardState,
  makeMessage,
  type HardState,
  type Index,
  type Message,
  type NodeId,
  type Term,
} from './types.ts';

/** Mutable state of a node. Only the modules of this package touch it. */
export class Core {
  readonly config: ValidatedConfig;
  readonly id: NodeId;
  readonly log: RaftLog;
  term: Term = 0;
  vote: NodeId = NO_NODE;
  role: Role = 'StateFollower';
  lead: NodeId = NO_NODE;
  tracker: Tracker;
  /** Answers to the vote request of this term, per voter. */
  votes: Map<NodeId, boolean> = new Map();
  /** Target of a leadership transfer that is under way. */
  leadTransferee: NodeId = NO_NODE;
  /** No second membership change is proposed until the log is applied up to here. */
  pendingConfIndex: Index = 0;
  /** Payload bytes of entries that this leader proposed and that are not applied yet. */
  uncommittedBytes = 0;
  electionElapsedTicks = 0;
  heartbeatElapsedTicks = 0;
  electionTimeoutTicks = 0;
  readonly reads: ReadQueue;
  readStates: ReadState[] = [];
  /** With `coalesceAppends`: members may be due an append, which the next Ready makes. */
  appendsDue = false;
  /** Messages that may leave before the next write is durable. */
  messages: Message[] = [];
  /** Acknowledgements and votes: they may leave only after the next write is durable. */
  messagesAfterAppend: Message[] = [];

  constructor(config: Config) {
    this.config = validateConfig(config);
    this.id = config.id;
    this.log = new RaftLog(this.config.storage, this.config.maxCommittedSizePerReadyBytes);
    const { hardState, confState } = this.config.storage.initialState();
    this.tracker = adoptTracker(restoreTracker(confState, this.changeContext()));
    if (!isEmptyHardState(hardState)) this.#loadHardState(hardState);
    this.#loadApplied(this.config.applied);
    this.reads = new ReadQueue(this.config.maxPendingReads, this.config.randomInt);
  }

  #loadHardState(state: HardState): void {
    if (state.commit < this.log.committed || state.commit > this.log.lastIndex()) {
      throw new RaftError('RAFT_STORAGE_INVALID', 'stored commit index is outside the log', {
        commit: state.commit,
        start: this.log.committed,
        lastIndex: this.log.lastIndex(),
      });
    }
    this.log.commitTo(state.commit);
    this.term = state.term;
    this.vote = state.vote;
  }

  #loadApplied(applied: Index): void {
    if (applied === 0) return;
    if (applied < this.log.applied || applied > this.log.committed) {
      throw new RaftError('RAFT_STORAGE_INVALID', 'applied index is outside the committed log', {
        applied,
        start: this.log.applied,
        committed: this.log.committed,
      });
    }
    this.log.appliedTo(applied, 0);
  }

  get inflightLimits(): InflightLimits {
    const { maxInflightMessages, maxInflightBytes } = this.config;
    return { messagesMax: maxInflightMessages, bytesMax: maxInflightBytes };
  }

  changeContext(): ChangeContext {
    return { lastIndex: this.log.lastIndex(), inflight: this.inflightLimits };
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  progressOf(id: NodeId): Progress | undefined {
    return this.tracker.progress.get(id);
  }

  emit(event: RaftEvent): void {
    this.config.onEvent(event);
  }

  ignore(message: Message, reason: IgnoredReason): void {
    this.emit({ kind: 'message-ignored', type: message.type, from: message.from, reason });
  }

  /**
   * Queues a message from this node. The term is filled in, except for votes, whose term is chosen
   * by the caller, and for forwarded requests, which belong to no term.
   */
  send(fields: Partial<Message> & Pick<Message, 'type' | 'to'>): void {
    const { type } = fields;
    const from = this.id;
    if (isVoteMessage(type)) {
      assert(fields.term !== undefined && fields.term > 0, 'a vote message names its term');
    }
    const termless = type === 'MsgProp' || type === 'MsgReadIndex';
    const term = fields.term ?? (termless ? 0 : this.term);
    const message = makeMessage({ ...fields, from, term });
    if (type === 'MsgAppResp' || type === 'MsgVoteResp' || type === 'MsgPreVoteResp') {
      // These promise something about stable storage (Raft paper, figure 2).
      this.messagesAfterAppend.push(message);
      traceMessage(this, 'Send', message);
      return;
    }
    assert(message.to !== this.id, 'only promises are sent to oneself');
    this.messages.push(message);
    traceMessage(this, 'Send', message);
  }
}

function isVoteMessage(type: Message['type']): boolean {
  switch (type) {
    case 'MsgVote':
    case 'MsgVoteResp':
    case 'MsgPreVote':
    case 'MsgPreVoteResp':
      return true;
    default:
      return false;
  }
}
