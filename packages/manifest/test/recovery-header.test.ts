import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterId, sha256Hex } from '@witan/core';
import {
  decodeRecoveryHeaderUnverified,
  encodeRecoveryHeader,
  ManifestError,
  RECOVERY_HEADER_BYTES_MAX,
  SHARE_JWE_CHARS_MAX,
  type RecoveryHeader,
} from '../src/index.ts';
import { codeOf, refusalOf } from './support.ts';

function headerOf(count: number, change: Partial<RecoveryHeader> = {}): RecoveryHeader {
  return {
    clusterId: clusterId('c1'.repeat(32)),
    resharing: 3,
    threshold: 1,
    shares: Array.from({ length: count }, (_, at) => ({
      index: at + 1,
      owner: sha256Hex((at + 1).toString(16).padStart(64, '0')),
      commitment: sha256Hex('c0'.repeat(32)),
      jwe: 'five.parts.of.base.64',
    })),
    wrappedSeed: new Uint8Array(60).fill(9),
    ...change,
  };
}

const [first, second] = headerOf(2).shares;
if (first === undefined || second === undefined) throw new Error('two shares');

describe('a recovery header', () => {
  it('reads back as it was written, at its largest too', () => {
    const jwe = 'j'.repeat(3900);
    const shares = headerOf(64).shares.map((share) => ({ ...share, jwe }));
    for (const header of [headerOf(1), headerOf(3, { threshold: 2 }), headerOf(64, { shares })]) {
      expect(decodeRecoveryHeaderUnverified(encodeRecoveryHeader(header))).toEqual(header);
    }
  });

  it.each<[string, RecoveryHeader]>([
    ['no share', headerOf(0)],
    ['too many shares', headerOf(65)],
    ['no threshold', headerOf(2, { threshold: 0 })],
    ['a threshold above the shares', headerOf(2, { threshold: 3 })],
    ['no number', headerOf(2, { resharing: 0 })],
    ['indexes in another order', headerOf(2, { shares: [second, first] })],
    ['one owner twice', headerOf(2, { shares: [first, { ...second, owner: first.owner }] })],
    ['a seed of another length', headerOf(1, { wrappedSeed: new Uint8Array(59) })],
    ['a longer seed', headerOf(1, { wrappedSeed: new Uint8Array(61) })],
    [
      'a share above its limit',
      headerOf(1, { shares: [{ ...first, jwe: 'j'.repeat(SHARE_JWE_CHARS_MAX + 1) }] }),
    ],
  ])('with %s is refused', (_name, header) => {
    const act = () => decodeRecoveryHeaderUnverified(encodeRecoveryHeader(header));
    expect(codeOf(act)).toBe('RECORD_MALFORMED');
  });

  it('above its limit is refused unread, and cut anywhere it is refused (I10)', () => {
    const huge = new Uint8Array(RECOVERY_HEADER_BYTES_MAX + 1);
    const error = refusalOf(() => decodeRecoveryHeaderUnverified(huge));
    expect(error.fields).toMatchObject({ expected: RECOVERY_HEADER_BYTES_MAX });
    const bytes = encodeRecoveryHeader(headerOf(2));
    for (let length = 0; length < bytes.byteLength; length += 1) {
      expect(codeOf(() => decodeRecoveryHeaderUnverified(bytes.subarray(0, length)))).toBe(
        'RECORD_MALFORMED',
      );
    }
  });

  it('of hostile bytes has one encoding or is refused, and nothing else (I10)', () => {
    const bytes = encodeRecoveryHeader(headerOf(3));
    const change = fc.record({ at: fc.nat(bytes.byteLength - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const hostile = Uint8Array.from(bytes);
        for (const { at, byte } of changes) hostile[at] = byte;
        try {
          const read = decodeRecoveryHeaderUnverified(hostile);
          expect(encodeRecoveryHeader(read)).toEqual(hostile);
        } catch (error) {
          expect(error).toBeInstanceOf(ManifestError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
