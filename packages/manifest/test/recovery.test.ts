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
} from '@witan/core';
import {
  decodeSignedRecovery,
  encodeSignedRecovery,
  NO_TRANSITION,
  RECOVERIES_MAX,
  recoveryBytes,
  recoveryHash,
  SIGNED_RECOVERY_BYTES_MAX,
  verifyRecoveries,
  type Recovery,
  type SignedRecovery,
} from '../src/index.ts';
import { codeOf, nodeCrypto, refusalOf, signWith, testKey } from './support.ts';

const history = testKey();
const cluster = clusterId('ab'.repeat(32));

function recovery(change: Partial<Recovery> = {}): Recovery {
  return {
    clusterId: cluster,
    epoch: epoch(2),
    previous: NO_TRANSITION,
    from: {
      epoch: epoch(1),
      term: 7,
      index: 8_412,
      generation: generation(7),
      transitionHash: sha256Hex('11'.repeat(32)),
    },
    key: 'shares',
    owners: [sha256Hex('22'.repeat(32)), sha256Hex('33'.repeat(32))],
    participants: ['witan-0', 'witan-1'].map((slot, at) => ({
      slot: slotName(slot),
      incarnation: incarnationId(`4${at}`.repeat(32)),
    })),
    acceptedMissing: [slotName('witan-2')],
    timeMs: unixMillis(1_000),
    ...change,
  };
}

function signed(value: Recovery): SignedRecovery {
  return { recovery: value, signature: signWith(history, recoveryBytes(value)) };
}

const verify = (...recoveries: Recovery[]) =>
  verifyRecoveries(recoveries.map(signed), cluster, history.spki, nodeCrypto);

const first = recovery();
const second = recovery({
  epoch: epoch(3),
  previous: recoveryHash(first, nodeCrypto),
  from: { ...first.from, epoch: epoch(2), index: 9_000 },
  key: 'memory',
  owners: [],
});

describe('recoveries (I7)', () => {
  it('verify as a chain to the newest, and none have no head', () => {
    expect(verify()).toBe(NO_TRANSITION);
    expect(verify(first, second)).toBe(recoveryHash(second, nodeCrypto));
  });

  it.each([
    ['of another cluster', { clusterId: clusterId('cd'.repeat(32)) }, 'RECOVERY_LINK_BROKEN'],
    ['on another record', { previous: NO_TRANSITION }, 'RECOVERY_LINK_BROKEN'],
    ['into the same epoch', { epoch: epoch(2) }, 'RECOVERY_GOES_BACK'],
    [
      'from an epoch before the last',
      { from: { ...second.from, epoch: epoch(1) } },
      'RECOVERY_GOES_BACK',
    ],
    [
      'from an index that was passed',
      { from: { ...second.from, index: 8_412 } },
      'RECOVERY_GOES_BACK',
    ],
    [
      'from a generation that was passed',
      { from: { ...second.from, generation: generation(6) } },
      'RECOVERY_GOES_BACK',
    ],
  ])('are refused %s, well signed or not', (_name, change, code) => {
    const error = refusalOf(() => verify(first, { ...second, ...change }));
    expect(error).toMatchObject({ code, fields: { path: 'recoveries[1]' } });
  });

  it('are refused under another key, and beyond their limit', () => {
    const other = testKey();
    const forged = { recovery: first, signature: signWith(other, recoveryBytes(first)) };
    const check = (list: readonly SignedRecovery[]) =>
      verifyRecoveries(list, cluster, history.spki, nodeCrypto);
    expect(codeOf(() => check([forged]))).toBe('RECOVERY_SIGNATURE_INVALID');
    const many = Array.from({ length: RECOVERIES_MAX + 1 }, () => forged);
    expect(codeOf(() => check(many))).toBe('RECOVERIES_TOO_MANY');
  });
});

describe('an encoded recovery', () => {
  it('is read as it was written, and no other bytes are (I10)', () => {
    const whole = signed(first);
    const bytes = encodeSignedRecovery(whole);
    expect(decodeSignedRecovery(bytes)).toEqual(whole);
    for (const damaged of [bytes.subarray(1), bytes.subarray(0, -1), Uint8Array.of(...bytes, 0)]) {
      expect(codeOf(() => decodeSignedRecovery(damaged))).toBe('RECORD_MALFORMED');
    }
    const long = new Uint8Array(SIGNED_RECOVERY_BYTES_MAX + 1);
    expect(codeOf(() => decodeSignedRecovery(long))).toBe('RECORD_MALFORMED');
  });

  it.each([
    ['owners in another order', { owners: first.owners.toReversed() }],
    ['an owner twice', { owners: [...first.owners, ...first.owners.slice(1)] }],
    ['participants in another order', { participants: first.participants.toReversed() }],
    ['no participant', { participants: [] }],
  ])('is refused with %s', (_name, change) => {
    const bytes = encodeSignedRecovery(signed(recovery(change)));
    expect(codeOf(() => decodeSignedRecovery(bytes))).toBe('RECORD_MALFORMED');
  });

  it('gives a record or a typed error for any bytes', () => {
    const good = encodeSignedRecovery(signed(first));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Uint8Array.from(good);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        try {
          expect(encodeSignedRecovery(decodeSignedRecovery(bytes))).toEqual(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: 'RECORD_MALFORMED' });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
