/** The engine's limits and times in one place. */

/** Limits and times of an engine. */
export interface EngineTuning {
  /** One tick of Raft's clock, in milliseconds. */
  readonly tickMs: number;
  /** Ticks between heartbeats. Default 2: 100 ms. */
  readonly heartbeatTicks: number;
  /**
   * Least ticks without a leader before an election; the actual number is random below twice it.
   */
  readonly electionTicks: number;
  /** Largest batch of entries in one message, in bytes. */
  readonly appendBytesMax: number;
  /** Largest uncommitted tail of a leader, in bytes; above it proposals get REPLICA_BUSY. */
  readonly uncommittedBytesMax: number;
  /** Appends on their way to one follower. */
  readonly inflightMessagesMax: number;
  /** Bytes of appends on their way to one follower; at least `appendBytesMax`. */
  readonly inflightBytesMax: number;
  /** Largest message accepted from a peer, in bytes; holds a snapshot. */
  readonly messageBytesMax: number;
  /** Entries between snapshots, at most. */
  readonly snapshotEntries: number;
  /** Bytes of commands between snapshots, about; what is on disk grows no larger. */
  readonly snapshotBytes: number;
  /** Entries kept in memory for followers that lag a little; up to twice as many are. */
  readonly keepEntries: number;
  /** The same in bytes of commands: whichever is reached first. */
  readonly keepBytes: number;
  /** A commit index waits so long for entries to travel with, in milliseconds; 0 for not at all. */
  readonly commitLingerMs: number;
  /** A read round without an answer is repeated, under a new id, after this many milliseconds. */
  readonly readRetryMs: number;
  /** Requests waiting at one replica, of each kind. */
  readonly waitersMax: number;
}

/**
 * Elections start 400 to 750 ms after the last sign of a leader; etcd's defaults are 1000 to 2000.
 * A leader whose process dies is noticed by its connections, in half of that. All replicas of a
 * cluster must use the same times.
 */
export const DEFAULT_TUNING: EngineTuning = {
  tickMs: 50,
  heartbeatTicks: 2,
  electionTicks: 8,
  appendBytesMax: 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
  inflightMessagesMax: 256,
  inflightBytesMax: 16 * 1024 * 1024,
  messageBytesMax: 256 * 1024 * 1024,
  snapshotEntries: 100_000,
  snapshotBytes: 32 * 1024 * 1024,
  keepEntries: 10_000,
  keepBytes: 16 * 1024 * 1024,
  commitLingerMs: 10,
  readRetryMs: 250,
  waitersMax: 10_000,
};
