/**
 * The one error class of this package. Codes are API: they are listed in errors.json, documented,
 * and never reused. Assertions live here too, because this package imports nothing.
 */

/** Every reason for which this package refuses something. */
export type RaftErrorCode =
  | 'RAFT_CODEC_LIMIT_EXCEEDED'
  | 'RAFT_CODEC_MALFORMED'
  | 'RAFT_CODEC_TRAILING_BYTES'
  | 'RAFT_CODEC_TRUNCATED'
  | 'RAFT_CODEC_VERSION_UNKNOWN'
  | 'RAFT_COMPACTED'
  | 'RAFT_CONFIG_INVALID'
  | 'RAFT_CONF_CHANGE_INVALID'
  | 'RAFT_LOCAL_MESSAGE'
  | 'RAFT_MESSAGE_INVALID'
  | 'RAFT_NODE_ID_INVALID'
  | 'RAFT_PEER_NOT_FOUND'
  | 'RAFT_PROPOSAL_DROPPED'
  | 'RAFT_READ_INDEX_DROPPED'
  | 'RAFT_SNAPSHOT_OUT_OF_DATE'
  | 'RAFT_SNAPSHOT_TEMPORARILY_UNAVAILABLE'
  | 'RAFT_STORAGE_INVALID'
  | 'RAFT_UNAVAILABLE';

/** What varies between two errors of one code; never a secret. */
export type RaftErrorFields = Readonly<Record<string, string | number | boolean>>;

/** Thrown for everything that a caller or a peer can cause. */
export class RaftError extends Error {
  override readonly name: string = 'RaftError';
  readonly code: RaftErrorCode;
  readonly fields: RaftErrorFields;

  /**
   * @param message constant words; values that vary belong in `fields`
   * @param cause the error underneath, where there is one
   */
  constructor(code: RaftErrorCode, message: string, fields: RaftErrorFields = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.fields = fields;
  }
}

/** Thrown when this program is wrong, or its storage broke its contract. Ends the process. */
export class RaftInvariantViolation extends Error {
  override readonly name: string = 'RaftInvariantViolation';
}

/**
 * States an invariant of this code. Never used on values that a peer chose.
 * @throws RaftInvariantViolation when the condition is false
 */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new RaftInvariantViolation(`invariant violated: ${invariant}`);
}

/** Marks a branch that the type system has ruled out. */
export function unreachable(value: never): never {
  throw new RaftInvariantViolation(`unreachable value: ${String(value)}`);
}
