import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { Secret } from '@witan/core';
import { clusterIdOf } from '../src/life/cluster-id.ts';

const hash = (_algorithm: string, ...parts: readonly Uint8Array[]): Uint8Array => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return new Uint8Array(digest.digest());
};

it('gives the known answer for a seed, computed with Python (I6, I9)', () => {
  const seed = new Secret(Uint8Array.from({ length: 32 }, (_, at) => at));
  const frozen = '73413b46f5c52eed81f27f65132f9a1e8729d0cf956d1e030eaffcea0600e27c';
  expect(clusterIdOf({ hash }, seed)).toBe(frozen);
});
