/**
 * The binary form of everything that leaves a process: on the wire and in the journal.
 *
 * Canonical: one value has one encoding, and only that one is accepted. Versioned: each encoding
 * starts with a version and a kind. Integers are big-endian and of fixed width, so that sizes are
 * computed by addition; a byte string has a 4-byte length. Decoded byte strings are copies.
 *
 * Every decode function throws RaftError RAFT_CODEC_LIMIT_EXCEEDED, RAFT_CODEC_VERSION_UNKNOWN,
 * RAFT_CODEC_TRUNCATED, RAFT_CODEC_TRAILING_BYTES or RAFT_CODEC_MALFORMED, and allocates no more
 * than a small multiple of the input.
 */
import { ByteReader } from './codec/byte-reader.ts';
import { ByteWriter } from './codec/byte-writer.ts';
import { RaftError } from './errors.ts';
import {
  LEAVE_JOINT,
  leavesJoint,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
  type ConfChangeV2,
} from './membership/conf-change.ts';
import {
  ENTRY_OVERHEAD_BYTES,
  INDEX_MAX,
  NODE_ID_MAX,
  NO_BYTES,
  TERM_MAX,
  entriesSizeBytes,
  isLocalThread,
  type ConfState,
  type Entry,
  type EntryType,
  type HardState,
  type Message,
  type NodeId,
  type PeerMessageType,
  type Snapshot,
  type SnapshotMetadata,
} from './types.ts';

const VERSION = 1;
const HEADER_BYTES = 2;

type Kind = 'message' | 'entry' | 'hard-state' | 'conf-state' | ChangeKind | SnapshotKind;
type ChangeKind = 'conf-change' | 'conf-change-v2';
type SnapshotKind = 'snapshot' | 'snapshot-metadata';

const KIND_CODES: Readonly<Record<Kind, number>> = {
  message: 1,
  entry: 2,
  'hard-state': 3,
  'conf-state': 4,
  'conf-change': 5,
  'conf-change-v2': 6,
  snapshot: 7,
  'snapshot-metadata': 8,
};

/** Codes on the wire are positions in these lists: append to them, never reorder. */
const MESSAGE_TYPES: readonly PeerMessageType[] = [
  'MsgApp',
  'MsgAppResp',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgProp',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgSnap',
  'MsgTimeoutNow',
  'MsgTransferLeader',
  'MsgVote',
  'MsgVoteResp',
];
const ENTRY_TYPES: readonly EntryType[] = ['EntryNormal', 'EntryConfChange', 'EntryConfChangeV2'];
const CHANGE_TYPES: readonly ConfChangeType[] = ['add-voter', 'add-learner', 'remove', 'update'];
const TRANSITIONS: readonly ConfChangeTransition[] = ['auto', 'implicit', 'explicit'];
const MESSAGE_CODES: ReadonlyMap<string, number> = codesOf(MESSAGE_TYPES);
const ENTRY_CODES: ReadonlyMap<string, number> = codesOf(ENTRY_TYPES);
const CHANGE_CODES: ReadonlyMap<string, number> = codesOf(CHANGE_TYPES);
const TRANSITION_CODES: ReadonlyMap<string, number> = codesOf(TRANSITIONS);

const FLAG_REJECT = 1;
const FLAG_SNAPSHOT = 2;
/** Type, flags, eight integers, length of the context, number of entries. */
const MESSAGE_FIXED_BYTES = 2 + 8 * 8 + 4 + 4;
const SINGLE_BYTES = 9;

/** @throws RaftError RAFT_LOCAL_MESSAGE for messages that never leave the process */
export function encodeMessage(message: Message): Uint8Array {
  const type = MESSAGE_CODES.get(message.type);
  const local = isLocalThread(message.to) || isLocalThread(message.from);
  if (type === undefined || local || message.responses.length > 0) {
    throw new RaftError('RAFT_LOCAL_MESSAGE', 'message is only for use within a process', {
      type: message.type,
    });
  }
  const { snapshot, context, entries } = message;
  const size =
    HEADER_BYTES +
    MESSAGE_FIXED_BYTES +
    context.byteLength +
    entriesSizeBytes(entries) +
    (snapshot === undefined ? 0 : snapshotBytes(snapshot));
  const writer = start('message', size);
  writer.u8(type);
  writer.u8((message.reject ? FLAG_REJECT : 0) | (snapshot === undefined ? 0 : FLAG_SNAPSHOT));
  writer.u53(message.to);
  writer.u53(message.from);
  writer.u53(message.term);
  writer.u53(message.logTerm);
  writer.u53(message.index);
  writer.u53(message.commit);
  writer.u53(message.vote);
  writer.u53(message.rejectHint);
  writer.bytes(context);
  writer.u32(entries.length);
  for (const entry of entries) writeEntry(writer, entry);
  if (snapshot !== undefined) writeSnapshot(writer, snapshot);
  return writer.finish();
}

/** @param bytesMax largest encoding accepted */
export function decodeMessage(bytes: Uint8Array, bytesMax: number): Message {
  const reader = open('message', bytes, bytesMax);
  const type = oneOf(reader, MESSAGE_TYPES);
  const flags = reader.u8();
  if (flags > (FLAG_REJECT | FLAG_SNAPSHOT)) throw reader.malformed('flags');
  const to = readNode(reader);
  const from = readNode(reader);
  const term = reader.u53(TERM_MAX);
  const logTerm = reader.u53(TERM_MAX);
  const index = reader.u53(INDEX_MAX);
  const commit = reader.u53(INDEX_MAX);
  const vote = readNode(reader);
  const rejectHint = reader.u53(INDEX_MAX);
  const context = reader.bytes();
  const count = reader.count(ENTRY_OVERHEAD_BYTES);
  const entries: Entry[] = [];
  for (let i = 0; i < count; i += 1) entries.push(readEntry(reader));
  const snapshot = (flags & FLAG_SNAPSHOT) === 0 ? undefined : readSnapshot(reader);
  reader.end();
  const reject = (flags & FLAG_REJECT) !== 0;
  return {
    type,
    to,
    from,
    term,
    logTerm,
    index,
    entries,
    commit,
    vote,
    snapshot,
    reject,
    rejectHint,
    context,
    responses: [],
  };
}

/** Canonical bytes of an entry. */
export function encodeEntry(entry: Entry): Uint8Array {
  const writer = start('entry', HEADER_BYTES + ENTRY_OVERHEAD_BYTES + entry.data.byteLength);
  writeEntry(writer, entry);
  return writer.finish();
}

/** Reads an entry. @throws RaftError RAFT_CODEC_… */
export function decodeEntry(bytes: Uint8Array, bytesMax: number): Entry {
  const reader = open('entry', bytes, bytesMax);
  const entry = readEntry(reader);
  reader.end();
  return entry;
}

/** Canonical bytes of a hard state. */
export function encodeHardState(state: HardState): Uint8Array {
  const writer = start('hard-state', HEADER_BYTES + 24);
  writer.u53(state.term);
  writer.u53(state.vote);
  writer.u53(state.commit);
  return writer.finish();
}

/** Reads a hard state. @throws RaftError RAFT_CODEC_… */
export function decodeHardState(bytes: Uint8Array, bytesMax: number): HardState {
  const reader = open('hard-state', bytes, bytesMax);
  const term = reader.u53(TERM_MAX);
  const vote = readNode(reader);
  const commit = reader.u53(INDEX_MAX);
  reader.end();
  return { term, vote, commit };
}

/** Canonical bytes of a membership. */
export function encodeConfState(state: ConfState): Uint8Array {
  const writer = start('conf-state', HEADER_BYTES + confStateBytes(state));
  writeConfState(writer, state);
  return writer.finish();
}

/** Reads a membership. @throws RaftError RAFT_CODEC_… */
export function decodeConfState(bytes: Uint8Array, bytesMax: number): ConfState {
  const reader = open('conf-state', bytes, bytesMax);
  const state = readConfState(reader);
  reader.end();
  return state;
}

/** Canonical bytes of what a snapshot is about. */
export function encodeSnapshotMetadata(metadata: SnapshotMetadata): Uint8Array {
  const size = HEADER_BYTES + metadataBytes(metadata);
  const writer = start('snapshot-metadata', size);
  writeMetadata(writer, metadata);
  return writer.finish();
}

/** Reads what a snapshot is about. @throws RaftError RAFT_CODEC_… */
export function decodeSnapshotMetadata(bytes: Uint8Array, bytesMax: number): SnapshotMetadata {
  const reader = open('snapshot-metadata', bytes, bytesMax);
  const metadata = readMetadata(reader);
  reader.end();
  return metadata;
}

/** Canonical bytes of a snapshot with its data. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const writer = start('snapshot', HEADER_BYTES + snapshotBytes(snapshot));
  writeSnapshot(writer, snapshot);
  return writer.finish();
}

/** Reads a snapshot. @throws RaftError RAFT_CODEC_… */
export function decodeSnapshot(bytes: Uint8Array, bytesMax: number): Snapshot {
  const reader = open('snapshot', bytes, bytesMax);
  const snapshot = readSnapshot(reader);
  reader.end();
  return snapshot;
}

/** The data of an EntryConfChange. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const size = HEADER_BYTES + SINGLE_BYTES + 4 + change.context.byteLength;
  const writer = start('conf-change', size);
  writeSingle(writer, change);
  writer.bytes(change.context);
  return writer.finish();
}

/** Reads a change of version 1. @throws RaftError RAFT_CODEC_… */
export function decodeConfChange(bytes: Uint8Array, bytesMax: number): ConfChange {
  const reader = open('conf-change', bytes, bytesMax);
  const single = readSingle(reader);
  const context = reader.bytes();
  reader.end();
  return { ...single, context };
}

/**
 * The data of an EntryConfChangeV2. The bare request to leave a joint configuration is encoded as
 * no bytes, so that no limit on the uncommitted tail can refuse it.
 */
export function encodeConfChangeV2(change: ConfChangeV2): Uint8Array {
  if (leavesJoint(change) && change.context.byteLength === 0) return NO_BYTES;
  const size =
    HEADER_BYTES + 1 + 4 + change.changes.length * SINGLE_BYTES + 4 + change.context.byteLength;
  const writer = start('conf-change-v2', size);
  writer.u8(codeOf(TRANSITION_CODES, change.transition));
  writer.u32(change.changes.length);
  for (const single of change.changes) writeSingle(writer, single);
  writer.bytes(change.context);
  return writer.finish();
}

/** Reads a change of version 2. @throws RaftError RAFT_CODEC_… */
export function decodeConfChangeV2(bytes: Uint8Array, bytesMax: number): ConfChangeV2 {
  if (bytes.byteLength === 0) return LEAVE_JOINT;
  const reader = open('conf-change-v2', bytes, bytesMax);
  const transition = oneOf(reader, TRANSITIONS);
  const count = reader.count(SINGLE_BYTES);
  const changes: ConfChangeSingle[] = [];
  for (let i = 0; i < count; i += 1) changes.push(readSingle(reader));
  const context = reader.bytes();
  reader.end();
  const change = { transition, changes, context };
  if (leavesJoint(change) && context.byteLength === 0) throw reader.malformed('empty change');
  return change;
}

function start(kind: Kind, size: number): ByteWriter {
  const writer = new ByteWriter(size);
  writer.u8(VERSION);
  writer.u8(KIND_CODES[kind]);
  return writer;
}

function open(kind: Kind, bytes: Uint8Array, bytesMax: number): ByteReader {
  const reader = new ByteReader(bytes, bytesMax);
  const version = reader.u8();
  if (version !== VERSION) {
    throw new RaftError('RAFT_CODEC_VERSION_UNKNOWN', 'encoding has an unknown version', {
      found: version,
      expected: VERSION,
    });
  }
  if (reader.u8() !== KIND_CODES[kind]) throw reader.malformed('kind');
  return reader;
}

function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.u8(codeOf(ENTRY_CODES, entry.type));
  writer.u53(entry.term);
  writer.u53(entry.index);
  writer.bytes(entry.data);
}

function readEntry(reader: ByteReader): Entry {
  const type = oneOf(reader, ENTRY_TYPES);
  const term = reader.u53(TERM_MAX);
  const index = reader.u53(INDEX_MAX);
  return { term, index, type, data: reader.bytes() };
}

function snapshotBytes(snapshot: Snapshot): number {
  return metadataBytes(snapshot.metadata) + 4 + snapshot.data.byteLength;
}

function writeSnapshot(writer: ByteWriter, snapshot: Snapshot): void {
  writeMetadata(writer, snapshot.metadata);
  writer.bytes(snapshot.data);
}

function readSnapshot(reader: ByteReader): Snapshot {
  const metadata = readMetadata(reader);
  return { data: reader.bytes(), metadata };
}

function metadataBytes(metadata: SnapshotMetadata): number {
  return 16 + confStateBytes(metadata.confState);
}

function writeMetadata(writer: ByteWriter, metadata: SnapshotMetadata): void {
  writer.u53(metadata.index);
  writer.u53(metadata.term);
  writeConfState(writer, metadata.confState);
}

function readMetadata(reader: ByteReader): SnapshotMetadata {
  const index = reader.u53(INDEX_MAX);
  const term = reader.u53(TERM_MAX);
  return { index, term, confState: readConfState(reader) };
}

function confStateBytes(state: ConfState): number {
  const { voters, votersOutgoing, learners, learnersNext } = state;
  const ids = voters.length + votersOutgoing.length + learners.length + learnersNext.length;
  return 4 * 4 + ids * 8 + 1;
}

function writeConfState(writer: ByteWriter, state: ConfState): void {
  writeIds(writer, state.voters);
  writeIds(writer, state.votersOutgoing);
  writeIds(writer, state.learners);
  writeIds(writer, state.learnersNext);
  writer.bool(state.autoLeave);
}

function readConfState(reader: ByteReader): ConfState {
  const voters = readIds(reader);
  const votersOutgoing = readIds(reader);
  const learners = readIds(reader);
  const learnersNext = readIds(reader);
  return { voters, votersOutgoing, learners, learnersNext, autoLeave: reader.bool() };
}

function writeIds(writer: ByteWriter, ids: readonly NodeId[]): void {
  writer.u32(ids.length);
  for (const id of ids) writer.u53(id);
}

function readIds(reader: ByteReader): readonly NodeId[] {
  const count = reader.count(8);
  const ids: NodeId[] = [];
  let previous = 0;
  for (let i = 0; i < count; i += 1) {
    const id = readNode(reader);
    if (id <= previous) throw reader.malformed('order of ids');
    ids.push(id);
    previous = id;
  }
  return ids;
}

function writeSingle(writer: ByteWriter, single: ConfChangeSingle): void {
  writer.u8(codeOf(CHANGE_CODES, single.type));
  writer.u53(single.nodeId);
}

function readSingle(reader: ByteReader): ConfChangeSingle {
  const type = oneOf(reader, CHANGE_TYPES);
  return { type, nodeId: readNode(reader) };
}

function readNode(reader: ByteReader): NodeId {
  return reader.u53(NODE_ID_MAX) as NodeId;
}

function codesOf(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, code) => [name, code]));
}

function codeOf(codes: ReadonlyMap<string, number>, name: string): number {
  const code = codes.get(name);
  if (code === undefined) throw new RaftError('RAFT_CODEC_MALFORMED', 'unknown name', { name });
  return code;
}

function oneOf<Name>(reader: ByteReader, names: readonly Name[]): Name {
  const name = names[reader.u8()];
  if (name === undefined) throw reader.malformed('code');
  return name;
}
