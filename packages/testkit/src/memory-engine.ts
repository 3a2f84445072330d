/**
 * A fake of the consensus engine: one log in memory that all engines of a group share. It orders
 * and
 * applies as the real one must, and fails where the real one must, but survives nothing.
 */
import {
  ReplicaError,
  type Applied,
  type Configuration,
  type ConsensusEngine,
  type EngineStatus,
  type MembershipChange,
  type StateSubscriber,
} from '@witan/replica';

type Entry =
  | { readonly kind: 'command'; readonly command: Uint8Array }
  | {
      readonly kind: 'membership';
      readonly configuration: Configuration;
      readonly context: Uint8Array;
    };

/** The shared log and its members. */
export class MemoryEngineGroup {
  readonly #entries: Entry[] = [];
  readonly #engines = new Map<number, MemoryEngine>();
  #configuration: Configuration;
  #leaderId = 0;
  #term = 1;

  constructor(voters: readonly number[]) {
    this.#configuration = { voters, votersOutgoing: [], learners: [] };
    this.#leaderId = voters[0] ?? 0;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  get leaderId(): number {
    return this.#leaderId;
  }

  get term(): number {
    return this.#term;
  }

  get lastIndex(): number {
    return this.#entries.length;
  }

  /** Adds a member's engine. One that is late starts from a snapshot of the leader. */
  join(nodeId: number, subscriber: StateSubscriber): ConsensusEngine {
    const engine = new MemoryEngine(this, nodeId, subscriber);
    const leader = this.#engines.get(this.#leaderId);
    if (leader !== undefined && this.#entries.length > 0) {
      subscriber.restore(this.#entries.length, this.#configuration, leader.subscriber.snapshot());
      engine.appliedIndex = this.#entries.length;
    }
    this.#engines.set(nodeId, engine);
    return engine;
  }

  append(entry: Entry, proposer: number): Applied {
    this.#entries.push(entry);
    if (entry.kind === 'membership') this.#configuration = entry.configuration;
    let outcome: unknown;
    for (const [nodeId, engine] of this.#engines) {
      const own = engine.apply(this.#entries.length, entry);
      if (nodeId === proposer) outcome = own;
    }
    return { index: this.#entries.length, outcome };
  }

  transfer(to: number): void {
    if (!this.#configuration.voters.includes(to)) return;
    this.#leaderId = to;
    this.#term += 1;
    for (const engine of this.#engines.values()) engine.changed();
  }

  leave(nodeId: number): void {
    this.#engines.delete(nodeId);
  }

  members(): IterableIterator<MemoryEngine> {
    return this.#engines.values();
  }
}

class MemoryEngine implements ConsensusEngine {
  readonly subscriber: StateSubscriber;
  appliedIndex = 0;
  readonly #group: MemoryEngineGroup;
  readonly #nodeId: number;
  readonly #listeners = new Set<() => void>();
  #stopped = false;

  constructor(group: MemoryEngineGroup, nodeId: number, subscriber: StateSubscriber) {
    this.#group = group;
    this.#nodeId = nodeId;
    this.subscriber = subscriber;
  }

  async propose(command: Uint8Array): Promise<Applied> {
    await this.#demandLeader();
    return this.#group.append({ kind: 'command', command }, this.#nodeId);
  }

  async readBarrier(): Promise<number> {
    await this.#demandRunning();
    return this.appliedIndex;
  }

  async waitApplied(index: number, options: { readonly timeoutMs: number }): Promise<void> {
    await this.#demandRunning();
    if (index <= this.appliedIndex) return;
    const fields = { timeoutMs: options.timeoutMs };
    throw new ReplicaError('REPLICA_TIMED_OUT', 'not confirmed in time', { fields });
  }

  async changeMembership(change: MembershipChange): Promise<void> {
    await this.#demandLeader();
    const { voters, learners } = this.#group.configuration;
    const gone = new Set([...change.remove, ...change.promote]);
    const configuration = {
      voters: [...voters.filter((id) => !change.remove.includes(id)), ...change.promote].toSorted(
        ascending,
      ),
      votersOutgoing: [],
      learners: [...learners.filter((id) => !gone.has(id)), ...change.addLearners].toSorted(
        ascending,
      ),
    };
    const context = change.context;
    this.#group.append({ kind: 'membership', configuration, context }, this.#nodeId);
    for (const engine of this.#group.members()) engine.changed();
  }

  transferLeadership(nodeId: number): void {
    this.#group.transfer(nodeId);
  }

  status(): EngineStatus {
    const { configuration, leaderId, term, lastIndex } = this.#group;
    const role = this.#nodeId === leaderId ? 'leader' : 'follower';
    const progress = new Map(
      role === 'leader'
        ? [...configuration.voters, ...configuration.learners].map((id) => [
            id,
            { matchIndex: lastIndex, lastHeardMs: 0, heard: 1 },
          ])
        : [],
    );
    return {
      nodeId: this.#nodeId,
      role: configuration.learners.includes(this.#nodeId) ? 'learner' : role,
      leaderId,
      leaderHeard: 1,
      term,
      commitIndex: lastIndex,
      appliedIndex: this.appliedIndex,
      configuration,
      progress,
    };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#group.leave(this.#nodeId);
    return Promise.resolve();
  }

  apply(index: number, entry: Entry): unknown {
    this.appliedIndex = index;
    if (entry.kind === 'command') return this.subscriber.apply(index, entry.command);
    this.subscriber.applyMembership(index, entry.configuration, entry.context);
    return undefined;
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #demandRunning(): Promise<void> {
    if (!this.#stopped) return Promise.resolve();
    return Promise.reject(new ReplicaError('REPLICA_STOPPED', 'this replica is stopping'));
  }

  async #demandLeader(): Promise<void> {
    await this.#demandRunning();
    if (this.#group.leaderId === this.#nodeId) return;
    throw new ReplicaError('REPLICA_NOT_LEADER', 'this replica does not lead', {
      fields: { leaderId: this.#group.leaderId },
    });
  }
}

function ascending(left: number, right: number): number {
  return left - right;
}
