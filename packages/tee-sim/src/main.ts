#!/usr/bin/env node
/** The daemon as a program: turns the result of `run` into an exit code. */
import { run } from './run.ts';

process.exitCode = await run({
  argv: process.argv.slice(2),
  stdout: (line) => console.log(line),
  stderr: (line) => console.error(line),
});
