/**
 * Judges attestation vectors from the command line.
 *
 *     node packages/attestation/testing/vectors-main.ts DIR|FILE…
 */
import { describeError } from '@witan/core';
import { indexFilesIn, vectorsIn, type VectorCase } from './vectors.ts';

function main(paths: readonly string[]): number {
  if (paths.length === 0) {
    console.error('usage: vectors-main.ts DIR|FILE…');
    return 2;
  }
  let passed = 0;
  let failed = 0;
  for (const vector of indexFilesIn(paths).flatMap(vectorsIn)) {
    const problems = problemsOf(vector);
    if (problems.length === 0) passed += 1;
    else failed += 1;
    console.log(`${problems.length === 0 ? 'passed' : 'FAILED'}  ${vector.name}`);
    for (const problem of problems) console.log(`    ${problem}`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** A vector whose files are missing or malformed beyond its index's words fails as itself. */
function problemsOf(vector: VectorCase): readonly string[] {
  try {
    return vector.run();
  } catch (error) {
    return [describeError(error)];
  }
}

process.exitCode = main(process.argv.slice(2));
