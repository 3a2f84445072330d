#!/usr/bin/env node
/** The initializer on real hardware: evidence from the kernel's configfs-tsm and nothing else. */
import { createTsmProvider, nodeTsmFileSystem } from '@witan/attester';
import { run } from './run.ts';

process.exitCode = await run({
  argv: process.argv.slice(2),
  env: process.env,
  evidenceProvider: createTsmProvider({ fs: nodeTsmFileSystem, accept: ['snp', 'tdx'] }),
  profile: 'production',
});
