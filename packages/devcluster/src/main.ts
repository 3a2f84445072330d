#!/usr/bin/env node
/** `witan` in the repository: the shipped command line with the development commands added. */
import { run } from '@witan/cli';
import { addDevCommands } from './commands.ts';
import { addDrillCommands } from './drills/commands.ts';

const stop = new AbortController();
process.once('SIGINT', () => {
  stop.abort();
});
process.exitCode = await run({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  extraCommands: (program, runCommand) => {
    addDevCommands(program, runCommand);
    addDrillCommands(program, runCommand);
  },
  signal: stop.signal,
});
