/** A directory for the tests of one file, removed behind them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** @param name part of the directory's name, for whoever finds one that was left */
export function useScratch(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `witan-${name}-`));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  return directory;
}
