/**
 * Raft's apply thread: feeds committed entries to the subscriber in order, and wakes whoever waits
 * for an entry's outcome or for an index.
 */
import {
  LocalApplyThread,
  decodeConfChangeV2,
  makeMessage,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  type Message,
  type Snapshot,
} from 'raft-ts';
import { assert } from '@witan/core';
import type { Configuration, StateSubscriber } from '../engine.ts';
import type { Scheduler } from '../ports.ts';
import { decodeEnvelope, type Envelope } from './envelope.ts';
import type { Proposer } from './proposer.ts';
import { Waiters } from './waiters.ts';

const CONF_CHANGE_BYTES_MAX = 64 * 1024;
/** The apply thread gives way to the loop after so many milliseconds. */
const SLICE_MS = 10;
/** Entries between two looks at the clock. */
const LOOK_AT_CLOCK = 16;

export interface ApplierOptions {
  readonly nodeId: number;
  readonly subscriber: StateSubscriber;
  readonly scheduler: Scheduler;
  readonly waitersMax: number;
  /** The state that the subscriber holds at the start. */
  readonly appliedIndex: number;
  readonly confState: ConfState;
  /** Puts a configuration into force in the core. */
  readonly applyConfChange: (change: ConfChangeV2) => ConfState;
  readonly onMembership: () => void;
  /** Learns what became of its proposals. */
  readonly proposer: Pick<Proposer, 'applied' | 'skippedTo'>;
}

export class Applier {
  readonly #options: ApplierOptions;
  readonly #indexes: Waiters<number, undefined>;
  readonly #queue: Message[] = [];
  #appliedIndex: number;
  #confState: ConfState;
  /** The first message of the queue, as far as it is applied: how many of its entries. */
  #done = 0;
  /** Bytes of commands applied so far. */
  appliedBytes = 0;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#appliedIndex = options.appliedIndex;
    this.#confState = options.confState;
    this.#indexes = new Waiters(options.scheduler, options.waitersMax);
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get confState(): ConfState {
    return this.#confState;
  }

  get configuration(): Configuration {
    return configurationOf(this.#confState);
  }

  get hasWork(): boolean {
    return this.#queue.length > 0;
  }

  enqueue(message: Message): void {
    this.#queue.push(message);
  }

  /** Entries that nobody waits for. */
  enqueueEntries(entries: readonly Entry[]): void {
    this.enqueue(makeMessage({ type: 'MsgStorageApply', to: LocalApplyThread, entries }));
  }

  /**
   * Applies what waits, for about `SLICE_MS`: the loop has heartbeats to send in between.
   * @returns what the core has to be told afterwards
   */
  next(): readonly Message[] {
    const message = this.#queue[0];
    if (message === undefined) return [];
    const untilMs = this.#options.scheduler.monotonicMs() + SLICE_MS;
    while (this.#done < message.entries.length) {
      const entry = message.entries[this.#done];
      this.#done += 1;
      // A snapshot may have overtaken entries that were waiting here; it contains them.
      if (entry !== undefined && entry.index > this.#appliedIndex) this.#apply(entry);
      if (this.#done % LOOK_AT_CLOCK !== 0) continue;
      if (this.#options.scheduler.monotonicMs() >= untilMs) return [];
    }
    this.#queue.shift();
    this.#done = 0;
    return message.responses;
  }

  /** Replaces the state by a leader's snapshot. */
  restore(snapshot: Snapshot): void {
    const { index, confState } = snapshot.metadata;
    assert(index > this.#appliedIndex, 'a snapshot never takes the state back');
    this.#confState = confState;
    this.#appliedIndex = index;
    this.#options.subscriber.restore(index, this.configuration, snapshot.data);
    this.#options.onMembership();
    this.#options.proposer.skippedTo(index);
    for (const key of this.#indexes.keys()) {
      if (key <= index) this.#indexes.resolve(key, undefined);
    }
  }

  waitApplied(index: number, timeoutMs: number): Promise<void> {
    if (index <= this.#appliedIndex) return Promise.resolve();
    return this.#indexes.wait(index, timeoutMs, 'REPLICA_TIMED_OUT');
  }

  stop(): void {
    this.#queue.length = 0;
    this.#indexes.rejectAll();
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#appliedIndex + 1, 'entries are applied in order without a gap');
    this.#appliedIndex = entry.index;
    this.appliedBytes += entry.data.byteLength;
    if (entry.type === 'EntryNormal') this.#applyCommand(entry);
    else this.#applyConfChange(entry);
    this.#indexes.resolve(entry.index, undefined);
  }

  #applyCommand(entry: Entry): void {
    const envelope = decodeEnvelope(entry.data);
    if (envelope === undefined) {
      // The empty entry that starts a term, or a change that was void.
      this.#options.subscriber.advance(entry.index);
      this.#options.proposer.applied(entry, undefined, undefined);
      return;
    }
    const outcome = this.#options.subscriber.apply(entry.index, envelope.command);
    this.#options.proposer.applied(entry, this.#ownSequence(envelope), outcome);
  }

  #applyConfChange(entry: Entry): void {
    const change = decodeConfChangeV2(entry.data, CONF_CHANGE_BYTES_MAX);
    this.#confState = this.#options.applyConfChange(change);
    const envelope = decodeEnvelope(change.context);
    const context = envelope?.command ?? new Uint8Array(0);
    this.#options.subscriber.applyMembership(entry.index, this.configuration, context);
    this.#options.onMembership();
    this.#options.proposer.applied(entry, this.#ownSequence(envelope), this.configuration);
  }

  #ownSequence(envelope: Envelope | undefined): number | undefined {
    return envelope?.proposer === this.#options.nodeId ? envelope.sequence : undefined;
  }
}

function configurationOf(state: ConfState): Configuration {
  const learners = [...state.learners, ...state.learnersNext].toSorted((a, b) => a - b);
  return { voters: state.voters, votersOutgoing: state.votersOutgoing, learners };
}
