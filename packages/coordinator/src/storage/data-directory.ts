/**
 * A slot's data directory: one journal for each incarnation, named by its id, and another one when
 * an incarnation that survived a full recovery enters the next epoch. An earlier journal is kept
 * until the new one is on disk and its holder votes; it is never read for anything that counts
 * (I2, I4).
 */
import { mkdir, readdir, rm, access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { IncarnationId } from '@witan/core';
import { journalExists, nodeJournalFs, type JournalLock } from '@witan/journal';
import { CoordinatorError } from '../errors.ts';

const JOURNAL_NAME = /^journal-[0-9a-f]{16}(-\d{1,9})?$/;

export interface DataDirectory {
  /**
   * Directory for this incarnation's next journal; made when the journal opens. The one before, if
   * there was one, counts as earlier from now on.
   */
  nextJournal(): string;
  /** Whether earlier incarnations left sealed state. */
  readonly holdsSealedState: boolean;
  /** Earlier journals' directories, to be read only; empty once they are dropped. */
  readonly earlier: readonly string[];
  /** Removes the earlier journals. */
  dropEarlier(): Promise<void>;
  release(): Promise<void>;
}

/** @throws CoordinatorError COORDINATOR_DATA_DIRECTORY_UNUSABLE with the next step to take */
export async function openDataDirectory(
  directory: string,
  incarnation: IncarnationId,
): Promise<DataDirectory> {
  const lock = await prepare(directory);
  const own = `journal-${incarnation.slice(0, 16)}`;
  const earlier = (await readdir(directory))
    .filter((name) => JOURNAL_NAME.test(name) && !name.startsWith(own))
    .map((name) => join(directory, name));
  const holding = await Promise.all(earlier.map((path) => journalExists(path)));
  let journals = 0;
  const pathOf = (number: number): string =>
    join(directory, number === 1 ? own : `${own}-${number}`);
  return {
    nextJournal: () => {
      if (journals > 0) earlier.push(pathOf(journals));
      journals += 1;
      return pathOf(journals);
    },
    holdsSealedState: holding.includes(true),
    earlier,
    dropEarlier: async () => {
      await Promise.all(
        earlier.splice(0).map((path) => rm(path, { recursive: true, force: true })),
      );
    },
    release: () => lock.release(),
  };
}

async function prepare(directory: string): Promise<JournalLock> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    const lock = await nodeJournalFs.lock(directory);
    if (lock !== undefined) return lock;
  } catch (cause) {
    const message =
      'the data directory cannot be used; check its owner and mode, or choose another';
    const fields = { directory };
    throw new CoordinatorError('COORDINATOR_DATA_DIRECTORY_UNUSABLE', message, { fields, cause });
  }
  const message = 'another process uses the data directory; stop it, or choose another directory';
  throw new CoordinatorError('COORDINATOR_DATA_DIRECTORY_UNUSABLE', message, {
    fields: { directory },
  });
}
