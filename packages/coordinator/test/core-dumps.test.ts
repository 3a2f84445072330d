import { expect, it } from 'vitest';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { excludeMemoryFromCoreDumps } from '../src/core-dumps.ts';

it('asks for core files without memory, and says where it cannot (I4)', () => {
  const directory = mkdtempSync(join(tmpdir(), 'witan-core-'));
  const filter = join(directory, 'filter');
  writeFileSync(filter, '00000033\n');
  expect(excludeMemoryFromCoreDumps(filter)).toBe('excluded');
  expect(readFileSync(filter, 'utf8')).toBe('0');
  expect(excludeMemoryFromCoreDumps(join(directory, 'none', 'filter'))).toBe('unsupported');
  rmSync(directory, { recursive: true });
});
