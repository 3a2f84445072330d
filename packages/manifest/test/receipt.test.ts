/** Receipts offline: good ones, and everything that a forger may try. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  unixMillis,
  utf8,
} from '@witan/core';
import {
  decodeLeaf,
  decodeReceipt,
  decodeSignedHighWaterMark,
  encodeReceipt,
  encodeSignedHighWaterMark,
  highWaterMarkBytes,
  leafBytes,
  leafHash,
  LOG_LEAF_BYTES_MAX,
  ManifestError,
  MerkleLog,
  RECEIPT_BYTES_MAX,
  verifyReceipt,
  type HighWaterMark,
  type LeafEvent,
  type LogLeaf,
  type Receipt,
} from '../src/index.ts';
import { codeOf, nodeCrypto, signWith, testKey } from './support.ts';

const history = testKey();
const cluster = clusterId('c1'.repeat(32));
const hash = sha256Hex('ab'.repeat(32));
const slot = slotName('witan-0');
const member = { slot, incarnation: incarnationId('cd'.repeat(32)) };
const serial = '5e'.repeat(16);

const EVENTS: readonly LeafEvent[] = [
  { kind: 'approval', owner: hash, action: 'generation 1' },
  { kind: 'update', transitionHash: hash, manifestDigest: hash },
  {
    kind: 'issuance',
    serial,
    workload: 'web',
    spkiSha256: hash,
    evidenceSha256: hash,
    measurement: 'ee'.repeat(48),
    notBeforeMs: unixMillis(1),
    notAfterMs: unixMillis(2),
    servedBy: slot,
  },
  { kind: 'release', serial, workload: 'web', secrets: [{ name: 'token', version: 1 }] },
  { kind: 'membership', added: [member], removed: [member], voters: [slot] },
  { kind: 'slots', number: 1, slots: [slot] },
  { kind: 'rotation', number: 1, step: 'root prepare', version: 2 },
  {
    kind: 'recovery',
    recoveryHash: hash,
    key: 'shares',
    owners: [hash],
    participants: [member],
    acceptedMissing: [slot],
  },
  { kind: 'revocation', workloads: ['web'] },
  {
    kind: 'withdrawal',
    owner: sha256Hex('a1'.repeat(32)),
    proposal: sha256Hex('b2'.repeat(32)),
  },
];

const LEAVES: readonly LogLeaf[] = EVENTS.map((event, at) => ({
  index: at + 3,
  epoch: epoch(1),
  generation: generation(1),
  timeMs: unixMillis(1_000 + at),
  ...event,
}));

const log = new MerkleLog(nodeCrypto);
for (const leaf of LEAVES) log.append(leafHash(leafBytes(leaf), nodeCrypto));

const plainMark: HighWaterMark = {
  clusterId: cluster,
  epoch: epoch(1),
  commitIndex: 12,
  generation: generation(1),
  transitionHash: hash,
  timeMs: unixMillis(5_000),
};

const sign = (mark: HighWaterMark) => ({
  mark,
  signature: signWith(history, highWaterMarkBytes(mark)),
});

function receiptOf(index: number, change: Partial<Receipt> = {}): Receipt {
  const leaf = LEAVES[index];
  if (leaf === undefined) throw new Error('no such leaf');
  return {
    leaf: leafBytes(leaf),
    index,
    path: log.inclusionProof(index),
    mark: sign({ ...plainMark, log: log.head() }),
    historyPublicKey: history.spki,
    ...change,
  };
}

const trust = { clusterId: cluster, historyPublicKey: history.spki };
const refusal = (receipt: Receipt, by = trust) =>
  codeOf(() => {
    verifyReceipt(receipt, by, nodeCrypto);
  });

describe('a receipt', () => {
  it('of every kind of leaf verifies offline, also through its file', () => {
    for (const [index, leaf] of LEAVES.entries()) {
      const file = decodeReceipt(encodeReceipt(receiptOf(index)));
      expect(verifyReceipt(file, trust, nodeCrypto)).toMatchObject({ leaf, log: log.head() });
    }
  });

  it('is refused when leaf, place, path, head or cluster is another', () => {
    const other = { ...plainMark, log: { ...log.head(), root: new Uint8Array(32) } };
    expect(refusal(receiptOf(2, { leaf: receiptOf(3).leaf }))).toBe('MERKLE_INCLUSION_INVALID');
    expect(refusal(receiptOf(2, { index: 3 }))).toBe('MERKLE_INCLUSION_INVALID');
    expect(refusal(receiptOf(2, { path: [] }))).toBe('MERKLE_PROOF_MALFORMED');
    expect(refusal(receiptOf(2, { mark: sign(other) }))).toBe('MERKLE_INCLUSION_INVALID');
    expect(refusal(receiptOf(2, { mark: sign(plainMark) }))).toBe('RECEIPT_WITHOUT_HEAD');
    const foreign = { ...trust, clusterId: clusterId('c2'.repeat(32)) };
    expect(refusal(receiptOf(2), foreign)).toBe('RECEIPT_OTHER_CLUSTER');
    const stranger = { ...trust, historyPublicKey: testKey().spki };
    expect(refusal(receiptOf(2), stranger)).toBe('MARK_SIGNATURE_INVALID');
    const forged = { ...receiptOf(2).mark, signature: new Uint8Array(64) };
    expect(refusal(receiptOf(2, { mark: forged }))).toBe('MARK_SIGNATURE_INVALID');
  });

  it('from a fork of the log that was seen is refused', () => {
    const seen = { size: log.size, root: new Uint8Array(32) };
    const attempt = () => verifyReceipt(receiptOf(2), { ...trust, log: seen }, nodeCrypto);
    expect(codeOf(attempt)).toBe('MERKLE_INCONSISTENT');
    verifyReceipt(receiptOf(2), { ...trust, log: log.head() }, nodeCrypto);
  });

  it('changed anywhere in its file is refused with a typed error (fuzz)', () => {
    const file = encodeReceipt(receiptOf(2));
    const change = fc.record({ at: fc.nat(file.length - 1), byte: fc.nat(255) });
    const check = fc.property(change, ({ at, byte }) => {
      fc.pre(file[at] !== byte);
      try {
        const receipt = decodeReceipt(file.with(at, byte));
        verifyReceipt(receipt, trust, nodeCrypto);
        // What the key in the file says is not believed, so it may be anything.
        const same = { ...receipt, historyPublicKey: history.spki };
        expect(encodeReceipt(same)).toEqual(file);
      } catch (error) {
        if (!(error instanceof ManifestError)) throw error;
      }
    });
    fc.assert(check, { numRuns: 300 });
  });

  it('that is too large, no JSON or another document is malformed', () => {
    const other = utf8('{"apiVersion":"witan.dev/v1","kind":"Manifest"}');
    for (const bytes of [new Uint8Array(RECEIPT_BYTES_MAX + 1), utf8('{'), other]) {
      expect(codeOf(() => decodeReceipt(bytes))).toBe('RECEIPT_MALFORMED');
    }
    const value = JSON.parse(new TextDecoder().decode(encodeReceipt(receiptOf(2)))) as object;
    for (const bad of [
      { leaf: '%' },
      { index: -1 },
      { path: ['zz'] },
      { kind: 'X' },
      { more: 1 },
    ]) {
      const bytes = utf8(JSON.stringify({ ...value, ...bad }));
      expect(codeOf(() => decodeReceipt(bytes))).toBe('RECEIPT_MALFORMED');
    }
  });
});

describe('a leaf', () => {
  it('is refused in every form but its own (fuzz)', () => {
    const leaf = fc.constantFrom(...LEAVES.map(leafBytes));
    const check = fc.property(leaf, fc.nat(400), fc.nat(255), (bytes, at, byte) => {
      for (const changed of [bytes.with(at % bytes.length, byte), bytes.slice(0, at)]) {
        try {
          expect(leafBytes(decodeLeaf(changed))).toEqual(changed);
        } catch (error) {
          if (!(error instanceof ManifestError)) throw error;
          expect(error.code).toBe('RECORD_MALFORMED');
        }
      }
    });
    fc.assert(check, { numRuns: 500 });
    const large = new Uint8Array(LOG_LEAF_BYTES_MAX + 1);
    expect(codeOf(() => decodeLeaf(large))).toBe('RECORD_MALFORMED');
  });
});

describe('a mark', () => {
  it('carries the head of the log under its signature; one of version 1 is still read', () => {
    for (const mark of [plainMark, { ...plainMark, log: log.head() }]) {
      const signed = sign(mark);
      expect(decodeSignedHighWaterMark(encodeSignedHighWaterMark(signed))).toEqual(signed);
    }
    const bytes = [plainMark, { ...plainMark, log: log.head() }].map(highWaterMarkBytes);
    expect(new TextDecoder().decode(bytes[0]?.subarray(4, 28))).toBe('witan/high-water-mark/v1');
    expect(new TextDecoder().decode(bytes[1]?.subarray(4, 28))).toBe('witan/high-water-mark/v2');
  });
});
