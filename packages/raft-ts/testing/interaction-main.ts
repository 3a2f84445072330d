/**
 * Runs interaction scripts: `node interaction-main.ts [--rewrite] FILE|DIR…`.
 * Prints a line per file and a summary; exits with 1 if any file failed.
 */
import { listScripts } from './list-scripts.ts';
import { checkFile, rewriteFile } from './run-file.ts';

function run(args: readonly string[]): number {
  const rewrite = args.includes('--rewrite');
  const files = listScripts(args.filter((arg) => !arg.startsWith('--')));
  let failed = 0;
  for (const file of files) {
    try {
      if (rewrite) rewriteFile(file);
      const difference = checkFile(file);
      if (difference === undefined) {
        console.log(`PASS ${file}`);
        continue;
      }
      const { line, command, expected, found } = difference;
      console.log(`FAIL ${file}:${line} ${command}`);
      console.log(`--- expected\n${expected}\n--- found\n${found}\n---`);
    } catch (error) {
      console.log(`FAIL ${file}: ${String(error instanceof Error ? error.stack : error)}`);
    }
    failed += 1;
  }
  console.log(`${files.length - failed} passed, ${failed} failed`);
  return failed > 0 || files.length === 0 ? 1 : 0;
}

process.exitCode = run(process.argv.slice(2));
