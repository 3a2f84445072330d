/**
 * Settings of one node, and the one function that checks them.
 */
import { RaftError } from './errors.ts';
import type { RaftEvent } from './events.ts';
import type { Storage } from './storage.ts';
import { ignoreTrace, type TraceEvent } from './trace.ts';
import { NODE_ID_MAX, type Index, type NodeId } from './types.ts';

/** How a leader makes sure that it still leads before it answers a read. */
export type ReadOnlyOption = 'safe' | 'lease-based';

/**
 * What a node needs to run. Fields marked optional have the stated default. Limits of 0 mean what
 * the field says; there is no hidden "unlimited" unless it is stated.
 */
export type Config = {
  /** This node's id, unique in the group for ever: never reuse one with an older log. */
  readonly id: NodeId;
  /**
   * Ticks without a leader after which a follower campaigns. Greater than `heartbeatTicks`, ten
   * times it is usual. The real timeout is uniform in [electionTicks, 2 * electionTicks - 1].
   */
  readonly electionTicks: number;
  /** Ticks between two heartbeats of a leader. At least 1. */
  readonly heartbeatTicks: number;
  /** The stable log. Read by the core, written by the driver only. */
  readonly storage: Storage;
  /**
   * Index up to which the application has already applied entries, so that they are not handed out
   * again after a restart. At least the index of the stored snapshot, else 0. Default 0.
   */
  readonly applied?: Index | undefined;
  /**
   * Put storage work into messages to local threads instead of `Ready` fields, so that several
   * writes can be under way. Then `advance` is not used. Default false.
   */
  readonly asyncStorageWrites?: boolean | undefined;
  /** Bytes of entries in one MsgApp; always admits one entry, so 0 = one each. Default 1 MiB. */
  readonly maxSizePerMessageBytes?: number | undefined;
  /**
   * Bytes of committed entries handed out and not yet applied, over all outstanding Readies; always
   * admits one entry. At least 1. Default `maxSizePerMessageBytes`.
   */
  readonly maxCommittedSizePerReadyBytes?: number | undefined;
  /**
   * Payload bytes of a leader's uncommitted tail, beyond which proposals are dropped. Always admits
   * one proposal on an empty tail, and empty payloads. 0 = unlimited (a hazard: while no quorum
   * answers, the tail grows without bound). Default 64 MiB.
   */
  readonly maxUncommittedEntriesBytes?: number | undefined;
  /** Appends in flight to one member. At least 1. Default 256. */
  readonly maxInflightMessages?: number | undefined;
  /** Bytes in flight to one member; at least `maxSizePerMessageBytes`. 0 = unlimited. Default 0. */
  readonly maxInflightBytes?: number | undefined;
  /**
   * A leader that hears from no quorum for an election timeout steps down, and members that hear
   * from a leader ignore candidates. Default true.
   */
  readonly checkQuorum?: boolean | undefined;
  /** Ask before campaigning (Raft thesis, section 9.6). Default true. */
  readonly preVote?: boolean | undefined;
  /**
   * `safe` confirms leadership with a quorum for each read. `lease-based` trusts clocks: with
   * unbounded drift between members it returns stale data. It needs `checkQuorum`. Default safe.
   */
  readonly readOnly?: ReadOnlyOption | undefined;
  /** Reads waiting for confirmation, beyond which more are dropped. At least 1. Default 4096. */
  readonly maxPendingReads?: number | undefined;
  /** Uniform integer in [0, boundExclusive), from a seeded source. The only nondeterminism. */
  readonly randomInt: (boundExclusive: number) => number;
  /** Called during a step; must not call back into the node. */
  readonly onEvent?: ((event: RaftEvent) => void) | undefined;
  /**
   * Called with each step of the protocol in the format of etcd's traces, for a model to replay;
   * must not call back into the node. Default: nothing is traced, at no cost.
   */
  readonly onTrace?: ((event: TraceEvent) => void) | undefined;
  /** A follower drops proposals instead of sending them to the leader. Default false. */
  readonly disableProposalForwarding?: boolean | undefined;
  /**
   * Accept membership changes without comparing them with the present membership. Hazard: a second
   * change can then be proposed while one is pending, and one that cannot be applied makes
   * `applyConfChange` throw. Default false.
   */
  readonly disableConfChangeValidation?: boolean | undefined;
  /** A leader that a change removes or demotes steps down when it applies it. Default true. */
  readonly stepDownOnRemoval?: boolean | undefined;
  /**
   * A leader sends each member what the steps since the last Ready call for in as few appends as
   * possible, instead of one for each proposal and each acknowledgement. A commit index alone waits
   * for the next entries, a heartbeat or `announceCommit`. Default false.
   */
  readonly coalesceAppends?: boolean | undefined;
  /**
   * A refused vote tells the candidate what the voter knows to be committed; see commit-hint.ts.
   * Off: as etcd's raft does, with the deadlock that is described there. Default true.
   */
  readonly commitHints?: boolean | undefined;
  /**
   * Ignore snapshots whose membership does not list this node, as etcd's raft does. A member that
   * was removed then never learns it from a snapshot. Default false.
   */
  readonly snapshotsForMembersOnly?: boolean | undefined;
};

/** A Config that was checked, with every default filled in. */
export type ValidatedConfig = { readonly [Key in keyof Config]-?: Exclude<Config[Key], undefined> };

const MIB = 1024 * 1024;

/**
 * Checks each field and its relations to others, and fills in defaults.
 * @throws RaftError RAFT_CONFIG_INVALID naming the field
 */
export function validateConfig(config: Config): ValidatedConfig {
  const perMessage = config.maxSizePerMessageBytes ?? MIB;
  const full: ValidatedConfig = {
    id: config.id,
    electionTicks: config.electionTicks,
    heartbeatTicks: config.heartbeatTicks,
    storage: config.storage,
    applied: config.applied ?? 0,
    asyncStorageWrites: config.asyncStorageWrites ?? false,
    maxSizePerMessageBytes: perMessage,
    maxCommittedSizePerReadyBytes: config.maxCommittedSizePerReadyBytes ?? Math.max(perMessage, 1),
    maxUncommittedEntriesBytes: config.maxUncommittedEntriesBytes ?? 64 * MIB,
    maxInflightMessages: config.maxInflightMessages ?? 256,
    maxInflightBytes: config.maxInflightBytes ?? 0,
    checkQuorum: config.checkQuorum ?? true,
    preVote: config.preVote ?? true,
    readOnly: config.readOnly ?? 'safe',
    maxPendingReads: config.maxPendingReads ?? 4096,
    randomInt: config.randomInt,
    onEvent: config.onEvent ?? ignoreEvent,
    onTrace: config.onTrace ?? ignoreTrace,
    disableProposalForwarding: config.disableProposalForwarding ?? false,
    disableConfChangeValidation: config.disableConfChangeValidation ?? false,
    stepDownOnRemoval: config.stepDownOnRemoval ?? true,
    coalesceAppends: config.coalesceAppends ?? false,
    commitHints: config.commitHints ?? true,
    snapshotsForMembersOnly: config.snapshotsForMembersOnly ?? false,
  };
  checkIntegers(full);
  checkKinds(full);
  if (full.electionTicks <= full.heartbeatTicks) {
    throw invalid('electionTicks', 'more than heartbeatTicks', full.electionTicks);
  }
  if (full.maxInflightBytes !== 0 && full.maxInflightBytes < full.maxSizePerMessageBytes) {
    throw invalid('maxInflightBytes', '0 or maxSizePerMessageBytes', full.maxInflightBytes);
  }
  if (full.readOnly === 'lease-based' && !full.checkQuorum) {
    throw invalid('readOnly', 'safe, because checkQuorum is off', full.readOnly);
  }
  return full;
}

function checkIntegers(config: ValidatedConfig): void {
  const bounds = {
    id: [1, NODE_ID_MAX],
    electionTicks: [2, 1_000_000],
    heartbeatTicks: [1, 1_000_000],
    applied: [0, Number.MAX_SAFE_INTEGER],
    maxSizePerMessageBytes: [0, Number.MAX_SAFE_INTEGER],
    maxCommittedSizePerReadyBytes: [1, Number.MAX_SAFE_INTEGER],
    maxUncommittedEntriesBytes: [0, Number.MAX_SAFE_INTEGER],
    maxInflightMessages: [1, Number.MAX_SAFE_INTEGER],
    maxInflightBytes: [0, Number.MAX_SAFE_INTEGER],
    maxPendingReads: [1, 1_000_000],
  } as const;
  for (const [field, [min, max]] of Object.entries(bounds)) {
    const value: number = config[field as keyof typeof bounds];
    if (Number.isSafeInteger(value) && value >= min && value <= max) continue;
    throw invalid(field, `an integer from ${min} to ${max}`, value);
  }
}

const BOOLEANS = [
  'asyncStorageWrites',
  'checkQuorum',
  'preVote',
  'disableProposalForwarding',
  'disableConfChangeValidation',
  'stepDownOnRemoval',
  'coalesceAppends',
  'commitHints',
  'snapshotsForMembersOnly',
] as const;

/** What the type system rules out may still come from plain JavaScript, or from a parsed file. */
function checkKinds(config: ValidatedConfig): void {
  for (const field of BOOLEANS) {
    const value: unknown = config[field];
    if (typeof value !== 'boolean') throw invalid(field, 'true or false', String(value));
  }
  for (const field of ['randomInt', 'onEvent', 'onTrace'] as const) {
    const value: unknown = config[field];
    if (typeof value !== 'function') throw invalid(field, 'a function', String(value));
  }
  const storage: unknown = config.storage;
  if (typeof storage !== 'object' || storage === null) {
    throw invalid('storage', 'a Storage', String(storage));
  }
  if (config.readOnly !== 'safe' && config.readOnly !== 'lease-based') {
    throw invalid('readOnly', 'safe or lease-based', String(config.readOnly));
  }
}

function invalid(field: string, expected: string, found: string | number): RaftError {
  return new RaftError('RAFT_CONFIG_INVALID', 'configuration is not usable', {
    field,
    expected,
    found,
  });
}

function ignoreEvent(): void {
  // Nobody listens.
}
