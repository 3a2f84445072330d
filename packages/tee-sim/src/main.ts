#!/usr/bin/env node
import { run } from './run.ts';

process.exitCode = await run({
  argv: process.argv.slice(2),
  stdout: (line) => console.log(line),
  stderr: (line) => console.error(line),
});
