/**
 * The values that cross the border of this package: log entries, hard state, snapshots, messages.
 * Plain data without behaviour, never mutated after construction. Integers are JavaScript numbers
 * below 2^53, which the codec and the checks of incoming messages enforce.
 */
import { RaftError } from './errors.ts';

declare const nodeIdBrand: unique symbol;

/** Identity of one member of the group: a safe integer from 1 to NODE_ID_MAX. 0 means none. */
export type NodeId = number & { readonly [nodeIdBrand]: true };

/** An election term. Starts at 0, rises by elections only. */
export type Term = number;

/** A position in the log. The first entry has index 1. */
export type Index = number;

/** No node: an absent vote, an unknown leader. */
export const NO_NODE: NodeId = 0 as NodeId;

/** The `to` of MsgStorageAppend and the `from` of its response: the local append thread. */
export const LocalAppendThread: NodeId = Number.MAX_SAFE_INTEGER as NodeId;

/** The `to` of MsgStorageApply and the `from` of its response: the local apply thread. */
export const LocalApplyThread: NodeId = (Number.MAX_SAFE_INTEGER - 1) as NodeId;

/** The largest id that a member can have; the two above it name local threads. */
export const NODE_ID_MAX: number = Number.MAX_SAFE_INTEGER - 2;

/** The largest term and index, so that adding one to either stays exact. */
export const TERM_MAX: number = Number.MAX_SAFE_INTEGER - 2;
/** The largest index; see TERM_MAX. */
export const INDEX_MAX: number = Number.MAX_SAFE_INTEGER - 2;

/**
 * Checks a number and brands it.
 * @throws RaftError RAFT_NODE_ID_INVALID unless it is an integer from 1 to NODE_ID_MAX
 */
export function nodeId(value: number): NodeId {
  if (!Number.isSafeInteger(value) || value < 1 || value > NODE_ID_MAX) {
    throw new RaftError('RAFT_NODE_ID_INVALID', 'not a node id', { value });
  }
  return value as NodeId;
}

/** Whether a message's endpoint is one of the two local storage threads. */
export function isLocalThread(id: NodeId): boolean {
  return id === LocalAppendThread || id === LocalApplyThread;
}

/** What an entry’s data is. */
export type EntryType = 'EntryNormal' | 'EntryConfChange' | 'EntryConfChangeV2';

/** One position of the replicated log. */
export type Entry = {
  readonly term: Term;
  readonly index: Index;
  readonly type: EntryType;
  /** A command (EntryNormal; empty for the no-op of a new leader) or an encoded change. */
  readonly data: Uint8Array;
};

/** What must be durable before messages that depend on it leave (Raft paper, figure 2). */
export type HardState = {
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: Index;
};

/** A membership, joint while `votersOutgoing` is not empty. Arrays ascend, without repeats. */
export type ConfState = {
  readonly voters: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the outgoing half that become learners once the joint configuration is left. */
  readonly learnersNext: readonly NodeId[];
  /** Whether the leader leaves the joint configuration by itself. */
  readonly autoLeave: boolean;
};

/** Where a snapshot stands in the log. */
export type SnapshotMetadata = {
  readonly index: Index;
  readonly term: Term;
  readonly confState: ConfState;
};

/** The state of the state machine after `metadata.index`, opaque to this package. */
export type Snapshot = {
  readonly data: Uint8Array;
  readonly metadata: SnapshotMetadata;
};

/** Messages between members. */
export type PeerMessageType =
  | 'MsgApp'
  | 'MsgAppResp'
  | 'MsgHeartbeat'
  | 'MsgHeartbeatResp'
  | 'MsgPreVote'
  | 'MsgPreVoteResp'
  | 'MsgProp'
  | 'MsgReadIndex'
  | 'MsgReadIndexResp'
  | 'MsgSnap'
  | 'MsgTimeoutNow'
  | 'MsgTransferLeader'
  | 'MsgVote'
  | 'MsgVoteResp';

/** Messages between the core and the storage threads of its own process. */
export type StorageMessageType =
  'MsgStorageAppend' | 'MsgStorageAppendResp' | 'MsgStorageApply' | 'MsgStorageApplyResp';

/** Every kind of message. */
export type MessageType = PeerMessageType | StorageMessageType;

/**
 * One message. Every field is always present; a field that a type does not use holds 0, false or
 * an empty array. The driver must check that `from` is the authenticated sender.
 */
export type Message = {
  readonly type: MessageType;
  readonly to: NodeId;
  readonly from: NodeId;
  /** The sender's term; 0 in MsgProp and MsgReadIndex, which are valid in any term. */
  readonly term: Term;
  /** Term of the entry at `index` (MsgApp, votes), or of the hint of a rejection. */
  readonly logTerm: Term;
  /** MsgApp: index before `entries`. MsgAppResp: acknowledged or rejected index. */
  readonly index: Index;
  readonly entries: readonly Entry[];
  readonly commit: Index;
  /** MsgStorageAppend: the vote to store. MsgTransferLeader: the member that shall lead. */
  readonly vote: NodeId;
  readonly snapshot?: Snapshot | undefined;
  readonly reject: boolean;
  readonly rejectHint: Index;
  readonly context: Uint8Array;
  /** Storage messages: what to deliver once the work is durable (append) or done (apply). */
  readonly responses: readonly Message[];
};

/** No bytes. Shared: never write to it (it has no element to write). */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

const NO_ENTRIES: readonly Entry[] = Object.freeze([]);
const NO_MESSAGES: readonly Message[] = Object.freeze([]);

/** A message in which every field that is not given has its empty value. */
export function makeMessage(
  fields: Partial<Message> & { readonly type: MessageType; readonly to: NodeId },
): Message {
  return {
    type: fields.type,
    to: fields.to,
    from: fields.from ?? NO_NODE,
    term: fields.term ?? 0,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? NO_ENTRIES,
    commit: fields.commit ?? 0,
    vote: fields.vote ?? NO_NODE,
    snapshot: fields.snapshot,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? NO_BYTES,
    responses: fields.responses ?? NO_MESSAGES,
  };
}

/** The hard state of a node that has never run. */
export const EMPTY_HARD_STATE: HardState = Object.freeze({ term: 0, vote: NO_NODE, commit: 0 });

/** Whether nothing was ever stored. */
export function isEmptyHardState(state: HardState): boolean {
  return state.term === 0 && state.vote === NO_NODE && state.commit === 0;
}

/** Whether two hard states are the same. */
export function hardStatesEqual(left: HardState, right: HardState): boolean {
  return left.term === right.term && left.vote === right.vote && left.commit === right.commit;
}

/** The membership of a node that has never been told one. */
export const EMPTY_CONF_STATE: ConfState = Object.freeze({
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
});

/** The snapshot of an empty log: index 0. */
export const EMPTY_SNAPSHOT: Snapshot = Object.freeze({
  data: NO_BYTES,
  metadata: Object.freeze({ index: 0, term: 0, confState: EMPTY_CONF_STATE }),
});

/** Whether a snapshot is that of an empty log. */
export function isEmptySnapshot(snapshot: Snapshot): boolean {
  return snapshot.metadata.index === 0;
}

/** Bytes of an encoded entry without its data; see codec.ts. */
export const ENTRY_OVERHEAD_BYTES = 21;

/** Encoded size of an entry in bytes, the unit of every limit on messages and Readies. */
export function entrySizeBytes(entry: Entry): number {
  return ENTRY_OVERHEAD_BYTES + entry.data.byteLength;
}

/** Encoded size of a run of entries in bytes. */
export function entriesSizeBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entrySizeBytes(entry);
  return bytes;
}

/** Sum of the data of a run of entries in bytes, the unit of the uncommitted-tail limit. */
export function payloadSizeBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.byteLength;
  return bytes;
}
