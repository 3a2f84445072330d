/** The binary codec: one value, one encoding; and nothing but typed errors for anything else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  INDEX_MAX,
  LEAVE_JOINT,
  LocalAppendThread,
  NODE_ID_MAX,
  RaftError,
  TERM_MAX,
  decodeConfChange,
  decodeConfChangeV2,
  decodeConfState,
  decodeEntry,
  decodeHardState,
  decodeMessage,
  decodeSnapshot,
  decodeSnapshotMetadata,
  encodeConfChange,
  encodeConfChangeV2,
  encodeConfState,
  encodeEntry,
  encodeHardState,
  encodeMessage,
  encodeSnapshot,
  encodeSnapshotMetadata,
  entrySizeBytes,
  makeMessage,
  nodeId,
  type ConfChange,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type PeerMessageType,
  type Snapshot,
} from '../src/index.ts';

const LIMIT = 1 << 20;
const data = fc.uint8Array({ maxLength: 40 });
const node = fc.oneof(fc.nat({ max: 5 }), fc.constant(NODE_ID_MAX));
const member = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(NODE_ID_MAX));
const index = fc.oneof(
  fc.nat({ max: 9 }),
  fc.maxSafeNat().filter((n) => n <= INDEX_MAX),
);
const term = fc.oneof(fc.nat({ max: 9 }), fc.constant(TERM_MAX));
const idList = fc
  .uniqueArray(member, { maxLength: 5 })
  .map((list) => list.toSorted((left, right) => left - right));

const entry = fc.record({
  term,
  index,
  type: fc.constantFrom('EntryNormal', 'EntryConfChange', 'EntryConfChangeV2'),
  data,
}) as unknown as fc.Arbitrary<Entry>;
const hardState = fc.record({
  term,
  vote: node,
  commit: index,
}) as unknown as fc.Arbitrary<HardState>;
const confState = fc.record({
  voters: idList,
  votersOutgoing: idList,
  learners: idList,
  learnersNext: idList,
  autoLeave: fc.boolean(),
}) as unknown as fc.Arbitrary<ConfState>;
const snapshot = fc.record({
  data,
  metadata: fc.record({ index, term, confState }),
}) as unknown as fc.Arbitrary<Snapshot>;
const single = {
  type: fc.constantFrom('add-voter', 'add-learner', 'remove', 'update'),
  nodeId: node,
};
const change = fc.record({ ...single, context: data }) as unknown as fc.Arbitrary<ConfChange>;
const changeV2 = fc.record({
  transition: fc.constantFrom('auto', 'implicit', 'explicit'),
  changes: fc.array(fc.record(single), { maxLength: 4 }),
  context: data,
}) as unknown as fc.Arbitrary<ConfChangeV2>;
const TYPES: readonly PeerMessageType[] = [
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
const message = fc.record({
  type: fc.constantFrom(...TYPES),
  to: node,
  from: node,
  term,
  logTerm: term,
  index,
  entries: fc.array(entry, { maxLength: 4 }),
  commit: index,
  vote: node,
  snapshot: fc.option(snapshot, { nil: undefined }),
  reject: fc.boolean(),
  rejectHint: index,
  context: data,
  responses: fc.constant([]),
}) as unknown as fc.Arbitrary<Message>;

type Codec = {
  readonly name: string;
  readonly values: fc.Arbitrary<unknown>;
  readonly encode: (value: never) => Uint8Array;
  readonly decode: (bytes: Uint8Array, bytesMax: number) => unknown;
};

const CODECS: readonly Codec[] = [
  { name: 'message', values: message, encode: encodeMessage, decode: decodeMessage },
  { name: 'entry', values: entry, encode: encodeEntry, decode: decodeEntry },
  { name: 'hard state', values: hardState, encode: encodeHardState, decode: decodeHardState },
  { name: 'conf state', values: confState, encode: encodeConfState, decode: decodeConfState },
  { name: 'snapshot', values: snapshot, encode: encodeSnapshot, decode: decodeSnapshot },
  {
    name: 'snapshot metadata',
    values: snapshot.map((value) => value.metadata),
    encode: encodeSnapshotMetadata,
    decode: decodeSnapshotMetadata,
  },
  { name: 'conf change', values: change, encode: encodeConfChange, decode: decodeConfChange },
  {
    name: 'conf change v2',
    values: changeV2,
    encode: encodeConfChangeV2,
    decode: decodeConfChangeV2,
  },
];

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'accepted';
  } catch (error) {
    if (error instanceof RaftError) return error.code;
    throw error;
  }
}

describe.each(CODECS)('the encoding of a $name', ({ values, encode, decode }) => {
  it('decodes to the same value', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(encode(value as never), LIMIT)).toEqual(value);
      }),
    );
  });

  it('is the only one that is accepted: whatever decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat({ max: 255 }), (value, position, replacement) => {
        const bytes = encode(value as never).slice();
        if (bytes.byteLength > 0) bytes[position % bytes.byteLength] = replacement;
        let decoded: unknown;
        if (codeOf(() => (decoded = decode(bytes, LIMIT))) !== 'accepted') return;
        expect(encode(decoded as never)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused when cut short or continued, or above the limit', () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, position) => {
        const bytes = encode(value as never);
        if (bytes.byteLength === 0) return;
        const cut = bytes.subarray(0, position % bytes.byteLength);
        if (cut.byteLength > 0) {
          expect(codeOf(() => decode(cut, LIMIT))).toMatch(/TRUNCATED|MALFORMED/);
        }
        const continued = new Uint8Array([...bytes, 0]);
        expect(codeOf(() => decode(continued, LIMIT))).toBe('RAFT_CODEC_TRAILING_BYTES');
        expect(codeOf(() => decode(bytes, bytes.byteLength - 1))).toBe('RAFT_CODEC_LIMIT_EXCEEDED');
      }),
    );
  });

  it('meets random bytes with typed errors only (I10)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 8 }), (random, kind) => {
        codeOf(() => decode(random, LIMIT));
        codeOf(() => decode(new Uint8Array([1, kind, ...random]), LIMIT));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the codec', () => {
  it('does not allocate what a length field promises (I10)', () => {
    const bytes = encodeMessage(makeMessage({ type: 'MsgApp', to: nodeId(1), from: nodeId(2) }));
    const lengthAt = bytes.byteLength - 8;
    bytes.set([0xff, 0xff, 0xff, 0xff], lengthAt);
    expect(codeOf(() => decodeMessage(bytes, LIMIT))).toBe('RAFT_CODEC_TRUNCATED');
    bytes.set([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], lengthAt);
    expect(codeOf(() => decodeMessage(bytes, LIMIT))).toBe('RAFT_CODEC_TRUNCATED');
  });

  it('returns copies, so that a reused receive buffer changes nothing', () => {
    const bytes = encodeEntry({
      term: 1,
      index: 1,
      type: 'EntryNormal',
      data: new Uint8Array([7, 7]),
    });
    const decoded = decodeEntry(bytes, LIMIT);
    bytes.fill(0);
    expect([...decoded.data]).toEqual([7, 7]);
  });

  it('refuses another version and another kind', () => {
    const bytes = encodeHardState({ term: 1, vote: nodeId(1), commit: 1 });
    expect(codeOf(() => decodeConfState(bytes, LIMIT))).toBe('RAFT_CODEC_MALFORMED');
    bytes[0] = 2;
    expect(codeOf(() => decodeHardState(bytes, LIMIT))).toBe('RAFT_CODEC_VERSION_UNKNOWN');
  });

  it('refuses integers above 2^53 and ids that name local threads', () => {
    const bytes = encodeHardState({ term: 1, vote: nodeId(1), commit: 1 });
    bytes.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2);
    expect(codeOf(() => decodeHardState(bytes, LIMIT))).toBe('RAFT_CODEC_MALFORMED');
    const thread = encodeHardState({ term: 1, vote: LocalAppendThread, commit: 1 });
    expect(codeOf(() => decodeHardState(thread, LIMIT))).toBe('RAFT_CODEC_MALFORMED');
  });

  it('refuses to encode messages that must not leave the process', () => {
    const local = makeMessage({ type: 'MsgStorageAppend', to: LocalAppendThread, from: nodeId(1) });
    expect(codeOf(() => encodeMessage(local))).toBe('RAFT_LOCAL_MESSAGE');
    const inner = makeMessage({ type: 'MsgApp', to: nodeId(1), responses: [local] });
    expect(codeOf(() => encodeMessage(inner))).toBe('RAFT_LOCAL_MESSAGE');
  });

  it('encodes leaving a joint configuration as no bytes, so that no limit can refuse it', () => {
    expect(encodeConfChangeV2(LEAVE_JOINT).byteLength).toBe(0);
    expect(decodeConfChangeV2(new Uint8Array(0), 0)).toEqual(LEAVE_JOINT);
  });

  it('sizes entries exactly', () => {
    fc.assert(
      fc.property(entry, (value) => {
        const alone = encodeMessage(makeMessage({ type: 'MsgApp', to: nodeId(1) })).byteLength;
        const withOne = encodeMessage(
          makeMessage({ type: 'MsgApp', to: nodeId(1), entries: [value] }),
        ).byteLength;
        expect(withOne - alone).toBe(entrySizeBytes(value));
      }),
    );
  });
});
