/**
 * Raft's apply thread: feeds committed entries to the subscriber in order, and wakes whoever waits
 * for an entry's outcome or for an index.
 */
import {
  decodeConfChangeV2,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  type Message,
  type Snapshot,
} from 'raft-ts';
import { assert } from '@witan/core';
import type { Applied, Configuration, StateSubscriber } from '../engine.ts';
import { ReplicaError } from '../errors.ts';
import type { Scheduler } from '../ports.ts';
import { decodeEnvelope } from './envelope.ts';
import { Waiters } from './waiters.ts';

const CONF_CHANGE_BYTES_MAX = 64 * 1024;

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
}

export class Applier {
  /** Outcomes by the proposer's sequence number. */
  readonly proposals: Waiters<number, Applied>;
  readonly #options: ApplierOptions;
  readonly #indexes: Waiters<number, undefined>;
  readonly #queue: Message[] = [];
  #appliedIndex: number;
  #confState: ConfState;
  /** Where the change that was proposed last will stand, if it is not void. */
  #pendingChange: { readonly index: number; readonly sequence: number } | undefined;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#appliedIndex = options.appliedIndex;
    this.#confState = options.confState;
    this.proposals = new Waiters(options.scheduler, options.waitersMax);
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

  /** Applies one batch. @returns what the core has to be told afterwards */
  next(): readonly Message[] {
    const message = this.#queue.shift();
    if (message === undefined) return [];
    // A snapshot may have overtaken entries that were waiting here; it contains them.
    for (const entry of message.entries) {
      if (entry.index > this.#appliedIndex) this.#apply(entry);
    }
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
    for (const key of this.#indexes.keys()) {
      if (key <= index) this.#indexes.resolve(key, undefined);
    }
  }

  waitApplied(index: number, timeoutMs: number): Promise<void> {
    if (index <= this.#appliedIndex) return Promise.resolve();
    return this.#indexes.wait(index, timeoutMs, 'REPLICA_TIMED_OUT');
  }

  /** Notes where a proposed change will stand, to notice when something else stands there. */
  expectChange(index: number, sequence: number): void {
    this.#pendingChange = { index, sequence };
  }

  stop(): void {
    this.proposals.rejectAll();
    this.#indexes.rejectAll();
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#appliedIndex + 1, 'entries are applied in order without a gap');
    this.#appliedIndex = entry.index;
    if (entry.type === 'EntryNormal') this.#applyCommand(entry);
    else this.#applyConfChange(entry);
    this.#indexes.resolve(entry.index, undefined);
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
    this.proposals.resolve(envelope.sequence, { index: entry.index, outcome });
  }

  #applyConfChange(entry: Entry): void {
    const change = decodeConfChangeV2(entry.data, CONF_CHANGE_BYTES_MAX);
    this.#confState = this.#options.applyConfChange(change);
    const envelope = decodeEnvelope(change.context);
    const context = envelope?.command ?? new Uint8Array(0);
    this.#options.subscriber.applyMembership(entry.index, this.configuration, context);
    this.#options.onMembership();
    if (envelope?.proposer !== this.#options.nodeId) return;
    const outcome = this.configuration;
    this.proposals.resolve(envelope.sequence, { index: entry.index, outcome });
  }

  #changeVoid(index: number): void {
    if (this.#pendingChange?.index !== index) return;
    const message = 'the configuration change was not possible when it was ordered';
    const error = new ReplicaError('REPLICA_MEMBERSHIP_REFUSED', message, { fields: { index } });
    this.proposals.reject(this.#pendingChange.sequence, error);
  }
}

function configurationOf(state: ConfState): Configuration {
  const learners = [...state.learners, ...state.learnersNext].toSorted((a, b) => a - b);
  return { voters: state.voters, votersOutgoing: state.votersOutgoing, learners };
}
