import { describe, expect, it } from 'vitest';
import { wordsWithCommitment } from '../src/checks/seed-commitment.ts';

const commitment = 'ab'.repeat(32);

describe('the words of a step of the seed', () => {
  it('have the commitment that the cluster shows, and others stay as they are', () => {
    expect(wordsWithCommitment('seed activate', { commitment }, undefined)).toBe(
      `seed activate ${commitment}`,
    );
    expect(wordsWithCommitment('seed activate', { commitment }, commitment)).toContain(commitment);
    expect(wordsWithCommitment('seed retire', { commitment: undefined }, undefined)).toBe(
      'seed retire',
    );
  });

  it('are not made before there is a next seed, nor for another one than was named', () => {
    const code = (expected: string): unknown => expect.objectContaining({ code: expected });
    expect(() =>
      wordsWithCommitment('seed activate', { commitment: undefined }, undefined),
    ).toThrow(code('CLI_SEED_NOT_PREPARED'));
    expect(() => wordsWithCommitment('seed activate', { commitment }, 'cd'.repeat(32))).toThrow(
      code('CLI_SEED_COMMITMENT_DIFFERS'),
    );
  });
});
