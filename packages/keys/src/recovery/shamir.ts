/**
 * Shamir's secret sharing (CACM 22(11), 1979), byte by byte over GF(2^8). Point i of every
 * polynomial goes to share i; the secret is the value at 0. Fewer than the threshold of shares say
 * nothing about the secret, because all coefficients but the first are uniform.
 *
 * Combining cannot tell a wrong share from a right one: see commitments in share.ts.
 */
import { assert, type Random } from '@witan/core';
import { add, invert, multiply } from './gf256.ts';

/** One share of a secret. */
export interface ShamirShare {
  /** 1 to 255; public. */
  readonly index: number;
  /** As long as the secret. */
  readonly bytes: Uint8Array;
}

/**
 * Splits a secret into `count` shares, of which any `threshold` give it back.
 *
 * @param threshold 1 to `count`
 * @param count up to 255
 */
export function splitSecret(
  secret: Uint8Array,
  threshold: number,
  count: number,
  random: Random,
): readonly ShamirShare[] {
  assert(threshold >= 1 && threshold <= count && count <= 255, 'threshold and count in range');
  const width = threshold - 1;
  const coefficients = random.bytes(secret.byteLength * width);
  assert(coefficients.byteLength === secret.byteLength * width, 'as many bytes as asked for');
  const shares = Array.from({ length: count }, (_, at) => {
    const index = at + 1;
    const bytes = secret.map((byte, position) => {
      const own = coefficients.subarray(position * width, (position + 1) * width);
      // Horner's rule, from the highest power down to the secret itself.
      const rest = own.reduceRight((sum, next) => add(multiply(sum, index), next), 0);
      return add(multiply(rest, index), byte);
    });
    return { index, bytes };
  });
  coefficients.fill(0);
  return shares;
}

/** The secret, by Lagrange's interpolation at 0. @param shares of different indexes, all needed */
export function combineShares(shares: readonly ShamirShare[]): Uint8Array {
  const [first] = shares;
  assert(first !== undefined, 'at least one share');
  const indexes = new Set(shares.map(({ index }) => index));
  assert(indexes.size === shares.length && !indexes.has(0), 'indexes are different, and not 0');
  const secret = new Uint8Array(first.bytes.byteLength);
  for (const share of shares) {
    assert(share.bytes.byteLength === secret.byteLength, 'shares are equally long');
    const weight = weightAtZero(share.index, shares);
    secret.forEach((sum, at) => {
      secret[at] = add(sum, multiply(weight, share.bytes[at] ?? 0));
    });
  }
  return secret;
}

/** Lagrange's basis polynomial of `index` at 0: the product of x / (x - index) over the others. */
function weightAtZero(index: number, shares: readonly ShamirShare[]): number {
  return shares.reduce((product, other) => {
    if (other.index === index) return product;
    return multiply(product, multiply(other.index, invert(add(other.index, index))));
  }, 1);
}
