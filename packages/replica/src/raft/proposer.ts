/**
 * Proposals on their way into the log: those of one turn of the loop enter it together, those that
 * come during a transfer of leadership wait for its end, and each learns what became of it.
 *
 * A proposal that is in the log is decided by the entry that is applied at its index. A leader that
 * lost its leadership therefore goes on waiting for a while: after a planned transfer everything
 * that it has ordered is committed by its successor within a few round trips.
 */
import { RaftError, type RawNode } from 'raft-ts';
import type { Applied } from '../engine.ts';
import { ReplicaError } from '../errors.ts';
import type { Scheduler } from '../ports.ts';
import { Waiters } from './waiters.ts';

/** What a proposer is made from. */
export interface ProposerOptions {
  readonly node: () => RawNode;
  readonly scheduler: Scheduler;
  readonly waitersMax: number;
  /** Bytes that enter the log at once, except for one larger proposal. */
  readonly batchBytesMax: number;
  /** How long a former leader waits for the fate of what it has ordered, in milliseconds. */
  readonly afterLossMs: number;
}

interface Queued {
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** Where an entry stands. */
export interface EntryPlace {
  readonly index: number;
  readonly term: number;
}

/** What was put at an index. */
interface Expected {
  readonly sequence: number;
  readonly kind: 'command' | 'change';
  readonly term: number;
}

/** See the head of this file. */
export class Proposer {
  readonly #options: ProposerOptions;
  readonly #waiters: Waiters<number, Applied>;
  readonly #expected = new Map<number, Expected>();
  #queue: Queued[] = [];
  #lastSequence = 0;

  constructor(options: ProposerOptions) {
    this.#options = options;
    this.#waiters = new Waiters(options.scheduler, options.waitersMax);
  }

  /** A number for the next proposal. */
  nextSequence(): number {
    this.#lastSequence += 1;
    return this.#lastSequence;
  }

  /** Queues an entry. @returns its outcome @throws ReplicaError as a rejection */
  submit(sequence: number, data: Uint8Array, timeoutMs: number): Promise<Applied> {
    const answer = this.#waiters.wait(sequence, timeoutMs, 'REPLICA_TIMED_OUT');
    if (this.#waiters.has(sequence)) this.#queue.push({ sequence, data });
    return answer;
  }

  /** Orders a membership change now, behind everything that is queued. */
  submitChange(sequence: number, timeoutMs: number, propose: () => void): Promise<Applied> {
    this.flush();
    const answer = this.#waiters.wait(sequence, timeoutMs, 'REPLICA_TIMED_OUT');
    if (!this.#waiters.has(sequence)) return answer;
    this.#try(sequence, 'change', propose);
    return answer;
  }

  /** Hands what is queued to the core, unless leadership is on its way to somebody else. */
  flush(): void {
    if (this.#queue.length === 0) return;
    const { role, lead, leadTransferee } = this.#options.node().basicStatus();
    if (role !== 'StateLeader') {
      const error = notLeader(lead);
      for (const { sequence } of this.#queue.splice(0)) this.#waiters.reject(sequence, error);
      return;
    }
    if (leadTransferee !== 0) return;
    // Whoever has given up waiting meanwhile was not ordered, and shall not be.
    const batch = this.#queue.filter(({ sequence }) => this.#waiters.has(sequence));
    this.#queue = [];
    for (const part of partsOf(batch, this.#options.batchBytesMax)) {
      if (this.#order(part)) continue;
      // One by one, so that as many as the log has room for get in.
      for (const { sequence, data } of part) {
        this.#try(sequence, 'command', () => {
          this.#options.node().propose(data);
        });
      }
    }
  }

  /** An entry was applied; `own` is this proposer's number for it, if it has one. */
  applied({ index, term }: EntryPlace, own: number | undefined, outcome: unknown): void {
    if (own !== undefined) this.#waiters.resolve(own, { index, outcome });
    const expected = this.#expected.get(index);
    if (expected === undefined) return;
    this.#expected.delete(index);
    if (expected.sequence === own) return;
    this.#waiters.reject(expected.sequence, displaced(expected, { index, term }));
  }

  /** The state jumped ahead: what stood at the indexes before is not known here. */
  skippedTo(index: number): void {
    for (const [at, { sequence }] of this.#expected) {
      if (at > index) continue;
      this.#expected.delete(at);
      this.#waiters.reject(sequence, outcomeUnknown());
    }
  }

  /** This node does not lead any more. */
  leadershipLost(): void {
    this.flush();
    const last = this.#lastSequence;
    this.#options.scheduler.after(this.#options.afterLossMs, () => {
      for (const key of this.#waiters.keys()) {
        if (key <= last) this.#waiters.reject(key, outcomeUnknown());
      }
      for (const [at, { sequence }] of this.#expected) {
        if (sequence <= last) this.#expected.delete(at);
      }
    });
  }

  stop(): void {
    this.#queue = [];
    this.#waiters.rejectAll();
  }

  #order(batch: readonly Queued[]): boolean {
    const node = this.#options.node();
    const { lastIndex, term } = node.basicStatus();
    try {
      node.proposeAll(batch.map(({ data }) => data));
    } catch (error) {
      if (error instanceof RaftError && error.code === 'RAFT_PROPOSAL_DROPPED') return false;
      throw error;
    }
    batch.forEach(({ sequence }, at) => {
      this.#expect(lastIndex + 1 + at, { sequence, kind: 'command', term });
    });
    return true;
  }

  #try(sequence: number, kind: Expected['kind'], propose: () => void): void {
    const { lastIndex, term } = this.#options.node().basicStatus();
    try {
      propose();
      this.#expect(lastIndex + 1, { sequence, kind, term });
    } catch (error) {
      this.#waiters.reject(sequence, error instanceof RaftError ? busy(error.code, error) : error);
    }
  }

  /** What was expected there before is not in this leader's log, so it never will be (I3). */
  #expect(index: number, expected: Expected): void {
    const before = this.#expected.get(index);
    if (before !== undefined) this.#waiters.reject(before.sequence, notLeader(0));
    this.#expected.set(index, expected);
  }
}

function partsOf(queue: readonly Queued[], bytesMax: number): readonly (readonly Queued[])[] {
  const parts: Queued[][] = [];
  let bytes = Infinity;
  for (const one of queue) {
    bytes += one.data.byteLength;
    if (bytes > bytesMax) {
      parts.push([]);
      bytes = one.data.byteLength;
    }
    parts.at(-1)?.push(one);
  }
  return parts;
}

/** Why nothing was ordered: another replica leads, or none. */
export function notLeader(leaderId: number): ReplicaError {
  const fields = { leaderId };
  return new ReplicaError('REPLICA_NOT_LEADER', 'this replica does not lead', { fields });
}

/** The log takes no such entry now. */
export function busy(code: string, cause?: unknown): ReplicaError {
  return new ReplicaError('REPLICA_BUSY', 'the log takes no such entry now', {
    fields: { code },
    ...(cause === undefined ? {} : { cause }),
  });
}

function outcomeUnknown(): ReplicaError {
  const message = 'leadership was lost before the command was applied';
  return new ReplicaError('REPLICA_OUTCOME_UNKNOWN', message);
}

/** Something else stands where the proposal would have stood. */
function displaced(expected: Expected, { index, term }: EntryPlace): ReplicaError {
  if (expected.kind === 'command' || expected.term !== term) return notLeader(0);
  const message = 'the configuration change was not possible when it was ordered';
  return new ReplicaError('REPLICA_MEMBERSHIP_REFUSED', message, { fields: { index } });
}
