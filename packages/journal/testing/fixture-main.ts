/**
 * Records the files of this format version: `node packages/journal/testing/fixture-main.ts`. To be
 * run once after the version was raised, and the files committed; those of an existing version are
 * never written again.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SEGMENT_VERSION } from '../src/segment.ts';
import { makeFixture } from './fixture.ts';

const folder = join(import.meta.dirname, `../test/fixtures/v${SEGMENT_VERSION}`);

if (existsSync(folder)) {
  console.log(`${folder} exists: raise the version first`);
  process.exitCode = 1;
} else {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of await makeFixture()) writeFileSync(join(folder, name), bytes);
  console.log(`recorded ${folder}`);
}
