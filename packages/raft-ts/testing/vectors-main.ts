/**
 * Runs quorum and membership vectors: `node vectors-main.ts FILE|DIR…`.
 * Prints a line per file and a summary of directives; exits with 1 if any differed.
 */
import { listScripts } from './list-scripts.ts';
import { checkVectors } from './run-vectors.ts';

function run(paths: readonly string[]): number {
  let passed = 0;
  let failed = 0;
  for (const file of listScripts(paths)) {
    const { total, differences } = checkVectors(file);
    passed += total - differences.length;
    failed += differences.length;
    const verdict = differences.length === 0 ? 'PASS' : 'FAIL';
    console.log(`${verdict} ${file} ${total - differences.length}/${total}`);
    for (const { line, expected, found } of differences) {
      console.log(`line ${line}\n--- expected\n${expected}\n--- found\n${found}\n---`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

process.exitCode = run(process.argv.slice(2));
