/** Runs quorum and membership vectors; see HELP. Exits with 1 if any differed or none was there. */
import { runFiles } from './command-line.ts';
import { checkVectors, rewriteVectors } from './run-vectors.ts';

const HELP = `Usage: npm run raft:vectors -- [--rewrite] [--json] FILE|DIR...

Runs etcd's pure scripts against raft-ts: quorums (committed, vote) and membership changes (simple,
enter-joint, leave-joint). Prints a line per file, and "N passed, N failed" over all directives.
Files of other kinds are named and left.

  --rewrite  record the present output in the files instead
  --json     one JSON document instead of lines

Example: npm run raft:vectors -- ../shared/vectors/raft`;

process.exitCode = runFiles(
  {
    help: HELP,
    kinds: ['quorum', 'confchange'],
    runFile: (path, rewrite) => {
      if (rewrite) rewriteVectors(path);
      return checkVectors(path);
    },
  },
  process.argv.slice(2),
);
