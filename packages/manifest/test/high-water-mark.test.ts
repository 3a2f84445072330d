import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterId, epoch, generation, sha256Hex, unixMillis } from '@witan/core';
import {
  compareToFloor,
  decodeFloor,
  decodeSignedHighWaterMark,
  encodeFloor,
  encodeSignedHighWaterMark,
  floorOf,
  highWaterMarkBytes,
  ManifestError,
  transitionBytes,
  verifyHighWaterMark,
  type Floor,
  type HighWaterMark,
} from '../src/index.ts';
import { codeOf, nodeCrypto, signWith, testKey } from './support.ts';

const history = testKey();
const mark: HighWaterMark = {
  clusterId: clusterId('ab'.repeat(32)),
  epoch: epoch(2),
  commitIndex: 40,
  generation: generation(3),
  transitionHash: sha256Hex('cd'.repeat(32)),
  timeMs: unixMillis(1_700_000_000_000),
};
const signedMark = { mark, signature: signWith(history, highWaterMarkBytes(mark)) };

const floors: fc.Arbitrary<Floor> = fc.record({
  clusterId: fc.constantFrom(clusterId('ab'.repeat(32)), clusterId('ba'.repeat(32))),
  epoch: fc.integer({ min: 1, max: 3 }).map(epoch),
  commitIndex: fc.nat(3),
  generation: fc.nat(3).map(generation),
  transitionHash: fc.constantFrom(sha256Hex('01'.repeat(32)), sha256Hex('02'.repeat(32))),
});

describe('a high-water mark', () => {
  it('verifies under the history key, and no changed part does (I6)', () => {
    expect(verifyHighWaterMark(signedMark, history.spki, nodeCrypto)).toBe(mark);
    const changes: readonly Partial<HighWaterMark>[] = [
      { clusterId: clusterId('ff'.repeat(32)) },
      { epoch: epoch(3) },
      { commitIndex: 41 },
      { generation: generation(4) },
      { transitionHash: sha256Hex('ff'.repeat(32)) },
      { timeMs: unixMillis(0) },
    ];
    for (const change of changes) {
      const forged = { ...signedMark, mark: { ...mark, ...change } };
      const act = () => verifyHighWaterMark(forged, history.spki, nodeCrypto);
      expect(codeOf(act)).toBe('MARK_SIGNATURE_INVALID');
    }
    const other = testKey().spki;
    expect(codeOf(() => verifyHighWaterMark(signedMark, other, nodeCrypto))).toBe(
      'MARK_SIGNATURE_INVALID',
    );
  });

  it('is not accepted with a signature made for a transition', () => {
    const transition = {
      clusterId: mark.clusterId,
      epoch: mark.epoch,
      generation: generation(1),
      manifestDigest: mark.transitionHash,
      previous: sha256Hex('00'.repeat(32)),
      approvals: [],
      timeMs: mark.timeMs,
    };
    const signature = signWith(history, transitionBytes(transition));
    const act = () => verifyHighWaterMark({ mark, signature }, history.spki, nodeCrypto);
    expect(codeOf(act)).toBe('MARK_SIGNATURE_INVALID');
  });

  it('and a floor have one encoding each, and other bytes are refused (I10)', () => {
    const encodedMark = encodeSignedHighWaterMark(signedMark);
    expect(decodeSignedHighWaterMark(encodedMark)).toEqual(signedMark);
    const encodedFloor = encodeFloor(floorOf(mark));
    expect(decodeFloor(encodedFloor)).toEqual(floorOf(mark));
    expect(codeOf(() => decodeFloor(encodedMark))).toBe('RECORD_MALFORMED');
    expect(codeOf(() => decodeSignedHighWaterMark(encodedFloor))).toBe('RECORD_MALFORMED');
    fc.assert(
      fc.property(fc.nat(encodedMark.length - 1), fc.nat(255), (at, byte) => {
        const hostile = encodedMark.with(at, byte);
        try {
          expect(encodeSignedHighWaterMark(decodeSignedHighWaterMark(hostile))).toEqual(hostile);
        } catch (error) {
          expect(error).toBeInstanceOf(ManifestError);
        }
      }),
    );
  });
});

describe('a floor', () => {
  it('accepts exactly the marks that are lower in nothing and fork nowhere (I6)', () => {
    fc.assert(
      fc.property(floors, floors, (found, floor) => {
        const acceptable =
          found.clusterId === floor.clusterId &&
          found.epoch >= floor.epoch &&
          found.commitIndex >= floor.commitIndex &&
          found.generation >= floor.generation &&
          !(found.generation === floor.generation && found.transitionHash !== floor.transitionHash);
        expect(compareToFloor(found, floor).kind === 'ok').toBe(acceptable);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['other-cluster', { clusterId: clusterId('ff'.repeat(32)) }],
    ['lower-epoch', { epoch: epoch(1) }],
    ['lower-index', { commitIndex: 39 }],
    ['lower-index', { commitIndex: 39, epoch: epoch(9) }],
    ['lower-generation', { generation: generation(2), commitIndex: 99 }],
    ['fork', { transitionHash: sha256Hex('ff'.repeat(32)) }],
    ['ok', { commitIndex: 41 }],
    ['ok', {}],
  ])('answers %s to %j', (kind, change) => {
    expect(compareToFloor({ ...mark, ...change }, floorOf(mark)).kind).toBe(kind);
  });

  it('that was raised accepts its own mark and none that it left behind', () => {
    fc.assert(
      fc.property(floors, floors, (first, second) => {
        expect(compareToFloor(first, first).kind).toBe('ok');
        const forth = compareToFloor(second, first).kind === 'ok';
        const back = compareToFloor(first, second).kind === 'ok';
        if (forth && back) expect(second).toEqual(first);
      }),
    );
  });
});
