/**
 * The consensus engine's port: an ordered, replicated log of opaque commands. Raft is the first
 * engine; another one must pass the same compliance suite (packages/testkit, engine-compliance).
 *
 * An engine orders and replicates. It knows nothing of manifests or keys: commands are sealed
 * before they reach it and opened when they come back.
 */

/** A change of the configuration, by node ids. */
export interface MembershipChange {
  readonly addLearners: readonly number[];
  /** Learners that become voters; always by a joint change. */
  readonly promote: readonly number[];
  readonly remove: readonly number[];
  /** Whether one of `remove` votes where nobody is promoted: this too takes a joint change. */
  readonly removesVoter?: boolean;
  /** Travels with the change to every `applyMembership`. */
  readonly context: Uint8Array;
}

/** A configuration in force. Ids ascending. */
export interface Configuration {
  readonly voters: readonly number[];
  /** The outgoing half of a joint configuration; empty otherwise. */
  readonly votersOutgoing: readonly number[];
  /** Including those that become learners when the joint configuration is left. */
  readonly learners: readonly number[];
}

/** What the engine feeds. Called in log order, never concurrently, and synchronously. */
export interface StateSubscriber {
  /** @returns the outcome, which is handed to the proposer when it waits on this replica */
  apply(index: number, command: Uint8Array): unknown;
  /** Steps over an entry without a command. */
  advance(index: number): void;
  applyMembership(index: number, configuration: Configuration, context: Uint8Array): void;
  /** Replaces the whole state. */
  restore(index: number, configuration: Configuration, snapshot: Uint8Array): void;
  /** The whole state as of the last call. */
  snapshot(): Uint8Array;
}

/** An engine at one moment, as seen from one replica. */
export interface EngineStatus {
  readonly nodeId: number;
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner';
  /** 0 when unknown. */
  readonly leaderId: number;
  /** Messages that came from that leader so far. */
  readonly leaderHeard: number;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly configuration: Configuration;
  /** The leader's view of each member; empty elsewhere. */
  readonly progress: ReadonlyMap<
    number,
    {
      readonly matchIndex: number;
      readonly lastHeardMs: number;
      /** Messages that came from it so far: a count, which no clock can falsify. */
      readonly heard: number;
    }
  >;
}

/** Where a command was applied, and to what effect. */
export interface Applied {
  readonly index: number;
  /** What `StateSubscriber.apply` returned. */
  readonly outcome: unknown;
}

/** How long to wait. */
export interface WaitOptions {
  /** Give up after this many milliseconds on the monotonic clock. */
  readonly timeoutMs: number;
}

/** The port itself. */
export interface ConsensusEngine {
  /**
   * Orders a command. Resolves when a majority holds it and it was applied here (I3).
   *
   * @param options.opensJournal whether this command makes the cluster worth keeping on disk
   * @throws ReplicaError REPLICA_NOT_LEADER, REPLICA_BUSY: it was not ordered;
   *   REPLICA_OUTCOME_UNKNOWN, REPLICA_TIMED_OUT: it may still be
   */
  propose(
    command: Uint8Array,
    options: WaitOptions & { readonly opensJournal: boolean },
  ): Promise<Applied>;
  /**
   * Resolves when everything that was acknowledged anywhere before the call is applied here (I5).
   *
   * @returns the applied index
   * @throws ReplicaError REPLICA_NO_LEADER or REPLICA_TIMED_OUT
   */
  readBarrier(options: WaitOptions): Promise<number>;
  /** Resolves when `index` is applied here. */
  waitApplied(index: number, options: WaitOptions): Promise<void>;
  /**
   * Changes the configuration. Resolves when the change was applied here; the joint configuration
   * is left by itself.
   *
   * @throws ReplicaError as `propose`, and REPLICA_MEMBERSHIP_REFUSED when it was ordered but void
   */
  changeMembership(change: MembershipChange, options: WaitOptions): Promise<void>;
  /** Hands leadership to another voter; resolves when it was asked to take over. */
  transferLeadership(nodeId: number): void;
  status(): EngineStatus;
  /** Called with every change of role, leader, term or configuration. */
  onChange(listener: () => void): () => void;
  stop(): Promise<void>;
}
