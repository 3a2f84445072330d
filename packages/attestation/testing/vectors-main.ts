/**
 * Judges attestation vectors from the command line.
 *
 *     node packages/attestation/testing/vectors-main.ts DIR|FILE…
 */
import { indexFilesIn, vectorsIn } from './vectors.ts';

function main(paths: readonly string[]): number {
  if (paths.length === 0) {
    console.error('usage: vectors-main.ts DIR|FILE…');
    return 2;
  }
  let passed = 0;
  let failed = 0;
  for (const vector of indexFilesIn(paths).flatMap(vectorsIn)) {
    if (vector.skipped !== undefined) {
      console.log(`skipped: ${vector.skipped}  ${vector.name}`);
      continue;
    }
    const problems = vector.run();
    if (problems.length === 0) passed += 1;
    else failed += 1;
    console.log(`${problems.length === 0 ? 'passed' : 'FAILED'}  ${vector.name}`);
    for (const problem of problems) console.log(`    ${problem}`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
