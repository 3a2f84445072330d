/**
 * Writes: run on the leader, forwarded to it from anywhere else, retried under the same request key
 * until the outcome is known or the time is up. The state machine remembers keys, so that a retry
 * after a lost answer gives the first answer again.
 */
import type { Applied } from './engine.ts';
import { ReplicaError } from './errors.ts';
import type { Cluster } from './life/cluster.ts';
import { sleep } from './life/sleep.ts';
import type { Scheduler } from './ports.ts';
import type { PeerIdentity } from './standing.ts';

/** A command ready to be ordered, or an answer that needs no place in the log. */
export type Prepared<Result> =
  | {
      readonly kind: 'command';
      readonly command: Uint8Array;
      /** Whether it makes the cluster worth keeping on disk: it sets a manifest. */
      readonly opensJournal: boolean;
    }
  /** Decided on state that a quorum has confirmed as current (I5). */
  | { readonly kind: 'answer'; readonly index: number; readonly result: Result };

/** How a forwarded write went. */
export type Forwarded<Result> =
  | { readonly kind: 'done'; readonly index: number; readonly result: Result }
  | { readonly kind: 'not-leader'; readonly leader?: PeerIdentity }
  | { readonly kind: 'failed'; readonly code: string };

/** What a writer needs from its surroundings. */
export interface WriterPorts<Operation, Result, ReferenceValues> {
  readonly cluster: () => Cluster<ReferenceValues> | undefined;
  readonly scheduler: Scheduler;
  /** The leader's decisions: time, serial numbers, certificates, signatures. */
  readonly prepare: (operation: Operation) => Promise<Prepared<Result>>;
  /** Takes the state machine's outcome apart; undefined asks for another attempt. */
  readonly finish: (outcome: unknown) => Result | undefined;
  readonly forward: (
    leader: PeerIdentity,
    operation: Operation,
    timeoutMs: number,
  ) => Promise<Forwarded<Result>>;
}

/** A write that was applied. */
export interface Written<Result> {
  readonly index: number;
  readonly result: Result;
}

const RETRY_MS = 25;
const RETRY_MS_MAX = 400;
/** A forwarded attempt gets this long, so that a leader that just died does not use up the time. */
const ATTEMPT_MS = 2_500;

/** See the head of this file. */
export class Writer<Operation, Result, ReferenceValues> {
  readonly #ports: WriterPorts<Operation, Result, ReferenceValues>;

  constructor(ports: WriterPorts<Operation, Result, ReferenceValues>) {
    this.#ports = ports;
  }

  /**
   * Runs the write wherever the leader is.
   *
   * @throws ReplicaError REPLICA_NO_CLUSTER; REPLICA_TIMED_OUT: it may have happened, ask again
   *   with the same key
   */
  async execute(operation: Operation, timeoutMs: number): Promise<Written<Result>> {
    const { scheduler } = this.#ports;
    const deadlineMs = scheduler.monotonicMs() + timeoutMs;
    let delayMs = RETRY_MS;
    for (;;) {
      const leftMs = deadlineMs - scheduler.monotonicMs();
      if (leftMs <= 0) throw timedOut(timeoutMs);
      const written = await this.#attempt(operation, Math.min(leftMs, ATTEMPT_MS));
      if (written !== undefined) return written;
      await sleep(scheduler, Math.min(delayMs, Math.max(1, leftMs)));
      delayMs = Math.min(delayMs * 2, RETRY_MS_MAX);
    }
  }

  /** Runs the write here, or says who leads. For writes that another replica forwards. */
  async executeHere(operation: Operation, timeoutMs: number): Promise<Forwarded<Result>> {
    const cluster = this.#cluster();
    const leader = cluster.leader();
    if (cluster.status().role !== 'leader') {
      return leader === undefined ? { kind: 'not-leader' } : { kind: 'not-leader', leader };
    }
    try {
      const written = await this.#here(operation, timeoutMs);
      return written === undefined
        ? { kind: 'failed', code: 'REPLICA_BUSY' }
        : { kind: 'done', ...written };
    } catch (error) {
      if (error instanceof ReplicaError) return { kind: 'failed', code: error.code };
      throw error;
    }
  }

  async #attempt(operation: Operation, timeoutMs: number): Promise<Written<Result> | undefined> {
    const cluster = this.#cluster();
    try {
      if (cluster.status().role === 'leader') return await this.#here(operation, timeoutMs);
      const leader = cluster.leader();
      if (leader === undefined) return undefined;
      const answer = await this.#ports.forward(leader, operation, timeoutMs);
      return answer.kind === 'done' ? { index: answer.index, result: answer.result } : undefined;
    } catch (error) {
      if (error instanceof ReplicaError && error.code !== 'REPLICA_STOPPED') return undefined;
      throw error;
    }
  }

  async #here(operation: Operation, timeoutMs: number): Promise<Written<Result> | undefined> {
    const prepared = await this.#ports.prepare(operation);
    if (prepared.kind === 'answer') return { index: prepared.index, result: prepared.result };
    const { command, opensJournal } = prepared;
    const applied: Applied = await this.#cluster().propose(command, opensJournal, timeoutMs);
    const result = this.#ports.finish(applied.outcome);
    return result === undefined ? undefined : { index: applied.index, result };
  }

  #cluster(): Cluster<ReferenceValues> {
    const cluster = this.#ports.cluster();
    if (cluster === undefined) {
      throw new ReplicaError('REPLICA_NO_CLUSTER', 'this replica belongs to no cluster yet');
    }
    return cluster;
  }
}

function timedOut(timeoutMs: number): ReplicaError {
  const message = 'no outcome in time; it may have happened: ask again with the same request key';
  return new ReplicaError('REPLICA_TIMED_OUT', message, { fields: { timeoutMs } });
}
