/** Builds raft-ts as a package of its own, for use outside this repository; see HELP. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pack } from './pack.ts';

const HELP = `Usage: npm run raft:pack -- --out DIR

Compiles raft-ts to JavaScript with type declarations and packs it as a tarball that any Node 20 or
newer can install: it has no dependency and needs no loader. Prints the path of the tarball.

Example: npm run raft:pack -- --out /tmp && npm install /tmp/raft-ts-0.1.0.tgz`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    out: { type: 'string' },
  },
});
if (values.help) {
  console.log(HELP);
} else if (values.out === undefined || !existsSync(values.out)) {
  console.error('error: --out must name a folder that exists\nTry --help.');
  process.exitCode = 1;
} else {
  console.log(pack(values.out));
}
