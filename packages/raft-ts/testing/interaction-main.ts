/** Runs interaction scripts; see HELP. Exits with 1 if any file failed, or none was there. */
import { runFiles } from './command-line.ts';
import { checkFile, rewriteFile } from './run-file.ts';

const HELP = `Usage: npm run raft:interaction -- [--rewrite] [--json] FILE|DIR...

Runs scripts in the format of etcd's raft interaction tests against raft-ts and compares every
output strictly, with log lines masked. Prints a line per file and "N passed, N failed"; the first
difference of each file that failed is shown. Files of other kinds are named and left.

  --rewrite  record the present output in the files instead
  --json     one JSON document instead of lines

Example: npm run raft:interaction -- test/scenarios/raft`;

process.exitCode = runFiles(
  {
    help: HELP,
    kinds: ['interaction'],
    runFile: (path, rewrite) => {
      if (rewrite) rewriteFile(path);
      const difference = checkFile(path);
      return { total: 1, differences: difference === undefined ? [] : [difference] };
    },
  },
  process.argv.slice(2),
);
