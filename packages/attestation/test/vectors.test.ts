import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { indexFilesIn, vectorsIn } from '../testing/vectors.ts';

const folder = fileURLToPath(new URL('../../../../shared/vectors/attestation/', import.meta.url));

describe.skipIf(!existsSync(folder))('published and synthetic vectors', () => {
  const cases = existsSync(folder) ? indexFilesIn([folder]).flatMap(vectorsIn) : [];
  const runnable = cases.filter(({ skipped }) => skipped === undefined);

  it.each(runnable)('$name has its verdict and its fields', ({ run }) => {
    expect(run()).toEqual([]);
  });

  it('are found: at least 18 synthetic and 15 real ones', () => {
    expect(runnable.length).toBeGreaterThanOrEqual(40);
  });
});
