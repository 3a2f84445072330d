import { describe, expect, it } from 'vitest';
import type { Random } from '@witan/core';
import { nodeRandom } from '@witan/keys';
import { invert, multiply } from '../src/recovery/gf256.ts';
import { combineShares, splitSecret } from '../src/recovery/shamir.ts';

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** A reference that uses another way: division of polynomials, with branches. */
function slowMultiply(left: number, right: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) if ((right >> bit) % 2 === 1) product ^= left << bit;
  for (let bit = 15; bit >= 8; bit -= 1) {
    if ((product >> bit) % 2 === 1) product ^= 0x11b << (bit - 8);
  }
  return product;
}

describe('the field', () => {
  it('multiplies as FIPS 197, sections 4.2 and 4.2.1, says', () => {
    expect(multiply(0x57, 0x83)).toBe(0xc1);
    expect(multiply(0x57, 0x13)).toBe(0xfe);
    expect(multiply(0x57, 0x02)).toBe(0xae);
    expect(multiply(0x57, 0x04)).toBe(0x47);
    expect(multiply(0x57, 0x08)).toBe(0x8e);
    expect(multiply(0x57, 0x10)).toBe(0x07);
  });

  it('has the inverse that the S-box of FIPS 197, section 5.1.1, is made of', () => {
    // S-box = affine map of the inverse: 53 -> ed, from the inverse ca.
    expect(invert(0x53)).toBe(0xca);
    expect(invert(1)).toBe(1);
    expect(invert(0)).toBe(0);
    for (let element = 1; element < 256; element += 1) {
      expect(multiply(element, invert(element))).toBe(1);
    }
  });

  it('agrees with a reference for every pair', () => {
    const differing: string[] = [];
    for (let left = 0; left < 256; left += 1) {
      for (let right = 0; right < 256; right += 1) {
        const product = multiply(left, right);
        if (product !== slowMultiply(left, right)) differing.push(`${left} * ${right}`);
      }
    }
    expect(differing).toEqual([]);
  });
});

describe('sharing a secret', () => {
  it('gives the test vector of draft-mcgrew-tss-03 (IETF, 2009): "test", 2 of 2', () => {
    const shares = [
      { index: 1, bytes: hex('b9fa07e185') },
      { index: 2, bytes: hex('f5409b4511') },
    ];
    expect(combineShares(shares)).toEqual(hex('7465737400'));
    // The vector fixes the only coefficient: share 1 is secret + coefficient.
    const coefficient = hex('7465737400').map((byte, at) => byte ^ (shares[0]?.bytes[at] ?? 0));
    const random: Random = { bytes: () => coefficient };
    expect(splitSecret(hex('7465737400'), 2, 2, random)).toEqual(shares);
  });

  it('gives the secret back from every set of the threshold, for all small sizes', () => {
    const secret = nodeRandom.bytes(32);
    for (let count = 1; count <= 6; count += 1) {
      for (let threshold = 1; threshold <= count; threshold += 1) {
        const shares = splitSecret(secret, threshold, count, nodeRandom);
        for (let set = 0; set < 2 ** count; set += 1) {
          const chosen = shares.filter((_, at) => (set >> at) % 2 === 1);
          if (chosen.length < threshold) continue;
          expect(combineShares(chosen)).toEqual(secret);
        }
      }
    }
  });

  it('takes 255 shares, and any order', () => {
    const secret = nodeRandom.bytes(32);
    const shares = splitSecret(secret, 20, 255, nodeRandom);
    expect(combineShares(shares.slice(100, 120).toReversed())).toEqual(secret);
    expect(combineShares(shares.slice(100, 119))).not.toEqual(secret);
  });

  it('says nothing below the threshold: every secret is equally possible', () => {
    // For one share of two, each of the 256 secrets has exactly one coefficient that explains it.
    const found = new Set<number>();
    for (let coefficient = 0; coefficient < 256; coefficient += 1) {
      for (let secret = 0; secret < 256; secret += 1) {
        const random: Random = { bytes: () => Uint8Array.of(coefficient) };
        const [share] = splitSecret(Uint8Array.of(secret), 2, 2, random);
        if (share?.bytes[0] === 0x42) found.add(secret);
      }
    }
    expect(found.size).toBe(256);
  });

  it('refuses what only a caller could get wrong', () => {
    const secret = new Uint8Array(4);
    expect(() => splitSecret(secret, 3, 2, nodeRandom)).toThrow('threshold and count');
    expect(() => splitSecret(secret, 0, 2, nodeRandom)).toThrow('threshold and count');
    expect(() => splitSecret(secret, 2, 256, nodeRandom)).toThrow('threshold and count');
    const share = { index: 1, bytes: secret };
    expect(() => combineShares([share, share])).toThrow('different');
    expect(() => combineShares([])).toThrow('at least one');
    expect(() => combineShares([{ index: 0, bytes: secret }])).toThrow('not 0');
  });
});
