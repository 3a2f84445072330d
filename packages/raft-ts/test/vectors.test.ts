/** The recorded files of etcd's raft, read in place. Visibly skipped where they are not present. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listScripts } from '../testing/list-scripts.ts';
import { checkFile } from '../testing/run-file.ts';
import { checkVectors } from '../testing/run-vectors.ts';

const VECTORS = join(import.meta.dirname, '../../../../shared/vectors/raft');
const present = existsSync(VECTORS);
const filesOf = (folder: string): readonly string[] =>
  present ? listScripts([join(VECTORS, folder)]) : [`${folder} (vectors are missing)`];

describe('interaction scripts of etcd, strictly with log lines masked', () => {
  it.skipIf(!present).each(filesOf('testdata').map((file) => [basename(file), file]))(
    '%s replays as recorded',
    (_name, file) => {
      expect(checkFile(file)).toBeUndefined();
    },
  );
});

describe('quorum and membership vectors', () => {
  it
    .skipIf(!present)
    .each([...filesOf('quorum'), ...filesOf('confchange')].map((file) => [basename(file), file]))(
    '%s agrees in every directive',
    (_name, file) => {
      expect(checkVectors(file).differences).toEqual([]);
    },
  );

  it.skipIf(!present)('there are 127 quorum and 58 membership directives', () => {
    const count = (folder: string): number =>
      filesOf(folder).reduce((sum, file) => sum + checkVectors(file).total, 0);
    expect([count('quorum'), count('confchange')]).toEqual([127, 58]);
  });

  it.skipIf(!present)('the files are not empty', () => {
    for (const file of filesOf('testdata')) expect(readFileSync(file, 'utf8')).toContain('----');
  });
});
