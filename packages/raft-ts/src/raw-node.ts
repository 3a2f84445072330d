/**
 * RawNode: the whole of raft as a synchronous state machine. Inputs are ticks, messages, proposals
 * and reports; the output is one Ready at a time. No clock, no I/O, no thread safety.
 */
import { encodeConfChange, encodeConfChangeV2 } from './codec.ts';
import type { Config } from './config.ts';
import { Core } from './core.ts';
import { ordinaryCampaign, startCampaign } from './election.ts';
import { assert } from './errors.ts';
import {
  asConfChangeV2,
  isConfChangeV2,
  type ConfChange,
  type ConfChangeV2,
} from './membership/conf-change.ts';
import { readIndex } from './read-index.ts';
import {
  storageAppendMessage,
  storageAppendResponse,
  storageApplyMessage,
  storageApplyResponse,
  type Ready,
  type SoftState,
} from './ready.ts';
import { applyConfChange } from './reconfigure.ts';
import { becomeFollower } from './roles.ts';
import { reportSnapshot, reportUnreachable } from './snapshot.ts';
import { basicStatusOf, statusOf, type BasicStatus, type Status } from './status.ts';
import { announceCommit, sendDueAppends } from './send-append.ts';
import { step, stepChecked } from './step.ts';
import { tick } from './ticks.ts';
import { trace } from './trace.ts';
import {
  NO_NODE,
  entriesSizeBytes,
  hardStatesEqual,
  isEmptyHardState,
  makeMessage,
  type ConfState,
  type Entry,
  type EntryType,
  type HardState,
  type Message,
  type NodeId,
} from './types.ts';

/** One member of a Raft group; see README.md for the loop around it. */
export class RawNode {
  readonly #core: Core;
  readonly #async: boolean;
  #lastSoftState: SoftState;
  #lastHardState: HardState;
  /** Synchronous mode: what becomes true once the current Ready has been dealt with. */
  #stepsOnAdvance: Message[] = [];
  /** Synchronous mode: a Ready was handed out and `advance` has not been called. */
  #awaitingAdvance = false;

  /**
   * Starts a node from its storage, as a follower.
   * @throws RaftError RAFT_CONFIG_INVALID, RAFT_STORAGE_INVALID, RAFT_CONF_CHANGE_INVALID
   */
  constructor(config: Config) {
    this.#core = new Core(config);
    this.#async = this.#core.config.asyncStorageWrites;
    trace(this.#core, 'InitState');
    becomeFollower(this.#core, this.#core.term, NO_NODE);
    this.#lastSoftState = this.#softState();
    this.#lastHardState = this.#core.hardState();
  }

  /** One tick of the logical clock. */
  tick(): void {
    tick(this.#core);
  }

  /** Starts an election now, unless this node may not win one (reported as an event). */
  campaign(): void {
    startCampaign(this.#core, ordinaryCampaign(this.#core));
  }

  /**
   * Proposes a command, which may still be lost with the leadership.
   * @throws RaftError RAFT_PROPOSAL_DROPPED if there is nobody to take it now
   */
  propose(data: Uint8Array): void {
    this.#propose('EntryNormal', data);
  }

  /**
   * Proposes a membership change. One that is not possible now becomes an empty entry.
   * @throws RaftError RAFT_PROPOSAL_DROPPED
   */
  proposeConfChange(change: ConfChange | ConfChangeV2): void {
    if (isConfChangeV2(change)) this.#propose('EntryConfChangeV2', encodeConfChangeV2(change));
    else this.#propose('EntryConfChange', encodeConfChange(change));
  }

  /**
   * Proposes several commands, which stand in the log one behind the other; all or none are taken.
   * @throws RaftError RAFT_PROPOSAL_DROPPED
   */
  proposeAll(commands: readonly Uint8Array[]): void {
    if (commands.length === 0) return;
    this.#proposeEntries(commands.map((data) => bodyOf('EntryNormal', data)));
  }

  #propose(type: EntryType, data: Uint8Array): void {
    this.#proposeEntries([bodyOf(type, data)]);
  }

  #proposeEntries(entries: readonly Entry[]): void {
    const to = this.#core.id;
    stepChecked(this.#core, makeMessage({ type: 'MsgProp', to, from: to, entries }));
  }

  /**
   * Applies a committed change, decoded from its entry. Every member must do so at the same place
   * of its log, before it reports the entry as applied.
   * @returns the membership from now on, to be kept with the state machine's snapshots
   * @throws RaftError RAFT_CONF_CHANGE_INVALID, without any change, for one that slipped through
   *   with `disableConfChangeValidation`; each member throws alike, so it can be skipped
   */
  applyConfChange(change: ConfChange | ConfChangeV2): ConfState {
    return applyConfChange(this.#core, asConfChangeV2(change));
  }

  /**
   * Takes a message from a peer, or a response of a storage thread. The driver has made sure that
   * `message.from` is the sender.
   * @throws RaftError RAFT_LOCAL_MESSAGE, RAFT_PEER_NOT_FOUND, RAFT_MESSAGE_INVALID,
   *   RAFT_PROPOSAL_DROPPED, RAFT_CODEC_…
   */
  step(message: Message): void {
    step(this.#core, message);
  }

  /** Whether `ready` is worth calling; with `coalesceAppends` it may still find nothing to do. */
  hasReady(): boolean {
    const core = this.#core;
    if (core.appendsDue) return true;
    if (this.#softStateIfChanged() !== undefined) return true;
    if (this.#hardStateIfChanged() !== undefined) return true;
    if (core.log.unstable.nextSnapshot() !== undefined) return true;
    if (core.messages.length > 0 || core.messagesAfterAppend.length > 0) return true;
    if (core.log.unstable.hasNextEntries()) return true;
    return core.log.hasNextCommitted(!this.#async) || core.readStates.length > 0;
  }

  /**
   * Hands out all work that is due, once: it is taken as accepted.
   * In synchronous mode `advance` must follow before the next call.
   */
  ready(): Ready {
    assert(!this.#awaitingAdvance, 'advance follows each ready in synchronous mode');
    const core = this.#core;
    sendDueAppends(core);
    const entries = core.log.unstable.nextEntries();
    const hardState = this.#hardStateIfChanged();
    const snapshot = core.log.unstable.nextSnapshot();
    const committedEntries = core.log.nextCommitted(!this.#async);
    const current = core.hardState();
    const ready: Ready = {
      softState: this.#softStateIfChanged(),
      hardState,
      readStates: core.readStates,
      entries,
      snapshot,
      committedEntries,
      messages: this.#messages({ entries, hardState, snapshot }, committedEntries),
      mustSync:
        entries.length > 0 ||
        current.term !== this.#lastHardState.term ||
        current.vote !== this.#lastHardState.vote,
    };
    this.#accept(ready);
    return ready;
  }

  #messages(
    ready: Pick<Ready, 'entries' | 'hardState' | 'snapshot'>,
    committedEntries: readonly Entry[],
  ): readonly Message[] {
    const core = this.#core;
    if (!this.#async) {
      return [...core.messages, ...core.messagesAfterAppend.filter((m) => m.to !== core.id)];
    }
    const append = storageAppendMessage(core, ready);
    const apply = storageApplyMessage(core, committedEntries);
    const storage = [append, apply].filter((message) => message !== undefined);
    return [...core.messages, ...storage];
  }

  #accept(ready: Ready): void {
    const core = this.#core;
    if (ready.softState !== undefined) this.#lastSoftState = ready.softState;
    if (ready.hardState !== undefined) this.#lastHardState = ready.hardState;
    core.readStates = [];
    if (!this.#async) this.#prepareAdvance(ready);
    core.messages = [];
    core.messagesAfterAppend = [];
    core.log.unstable.acceptInProgress();
    const last = ready.committedEntries.at(-1);
    if (last !== undefined) {
      const bytes = entriesSizeBytes(ready.committedEntries);
      core.log.acceptApplying(last.index, bytes, !this.#async);
    }
    trace(core, 'Ready');
  }

  #prepareAdvance(ready: Ready): void {
    const core = this.#core;
    const steps = core.messagesAfterAppend.filter((message) => message.to === core.id);
    const stored = storageAppendResponse(core, ready.snapshot);
    if (stored !== undefined) steps.push(stored);
    if (ready.committedEntries.length > 0) {
      steps.push(storageApplyResponse(core, ready.committedEntries));
    }
    this.#stepsOnAdvance = steps;
    this.#awaitingAdvance = true;
  }

  /** Synchronous mode: everything in the last Ready is stored, sent and applied. */
  advance(): void {
    assert(!this.#async, 'asynchronous storage responses take the place of advance');
    assert(this.#awaitingAdvance, 'advance follows ready');
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    this.#awaitingAdvance = false;
    for (const message of steps) stepChecked(this.#core, message);
  }

  /**
   * Asks for a linearizable read. A ReadState with the same context follows in a later Ready; once
   * the state machine has applied up to its index, the read may be answered. It is lost without
   * notice when leader or term change, so the caller needs a deadline; asking again is safe.
   * @throws RaftError RAFT_READ_INDEX_DROPPED
   */
  readIndex(context: Uint8Array): void {
    readIndex(this.#core, context);
  }

  /** Asks to hand leadership to a voter. Nothing happens if it is none, or there is no leader. */
  transferLeader(id: NodeId): void {
    const to = this.#core.id;
    stepChecked(this.#core, makeMessage({ type: 'MsgTransferLeader', to, from: to, vote: id }));
  }

  /**
   * A follower stops believing in its leader, within the same term, and so grants (pre-)votes at
   * once. For drivers that know of a leader's death. Ignored with lease-based reads, whose lease
   * it would break, and by leaders and candidates.
   */
  forgetLeader(): void {
    const core = this.#core;
    if (core.role !== 'StateFollower' || core.lead === NO_NODE) return;
    if (core.config.readOnly === 'lease-based') {
      core.emit({ kind: 'forget-leader-refused', leader: core.lead });
      return;
    }
    core.emit({ kind: 'leader-forgotten', leader: core.lead });
    core.reads.reset();
    core.lead = NO_NODE;
  }

  /** With `coalesceAppends`: tells the others the commit index now. Of no effect elsewhere. */
  announceCommit(): void {
    announceCommit(this.#core);
  }

  /** Appends to this member were probably lost. */
  reportUnreachable(id: NodeId): void {
    reportUnreachable(this.#core, id);
  }

  /** Whether a MsgSnap reached the member. Must follow each one, or its progress stays paused. */
  reportSnapshot(id: NodeId, ok: boolean): void {
    reportSnapshot(this.#core, id, ok);
  }

  status(): Status {
    return statusOf(this.#core);
  }

  basicStatus(): BasicStatus {
    return basicStatusOf(this.#core);
  }

  /**
   * Replaces the random election timeout, until the next change of role or term. For tests and
   * simulations that need a certain node to campaign first.
   * @param ticks at least 1
   */
  setElectionTimeoutTicks(ticks: number): void {
    assert(Number.isSafeInteger(ticks) && ticks >= 1, 'an election timeout is at least one tick');
    this.#core.electionTimeoutTicks = ticks;
  }

  #softState(): SoftState {
    return { lead: this.#core.lead, role: this.#core.role };
  }

  #softStateIfChanged(): SoftState | undefined {
    const { lead, role } = this.#lastSoftState;
    const same = lead === this.#core.lead && role === this.#core.role;
    return same ? undefined : this.#softState();
  }

  #hardStateIfChanged(): HardState | undefined {
    const state = this.#core.hardState();
    if (isEmptyHardState(state) || hardStatesEqual(state, this.#lastHardState)) return undefined;
    return state;
  }
}

function bodyOf(type: EntryType, data: Uint8Array): Entry {
  return { term: 0, index: 0, type, data };
}
