/**
 * Opening, probing and discarding a journal's directory.
 */
import { join } from 'node:path';
import { JournalError, readFailure, systemCodeOf, writeFailure } from './errors.ts';
import { wrapSync, wrapWrite } from './files.ts';
import type { JournalFs, JournalLock } from './fs.ts';
import { SegmentedJournal } from './journal.ts';
import { segmentName, snapshotName } from './names.ts';
import { nodeJournalFs } from './node-fs.ts';
import { settingsOf, type Journal, type JournalOptions } from './options.ts';
import { listNames, recover, type Recovered } from './recover.ts';

/**
 * Opens a journal and reads it back. Nothing is changed on disk, except for a missing directory and
 * the lock file, before `journal.startSegment`.
 *
 * @throws JournalError JOURNAL_LOCKED, JOURNAL_DIRECTORY_UNREADABLE, JOURNAL_DAMAGED,
 *   JOURNAL_VERSION_UNKNOWN, JOURNAL_RECOVERY_TOO_LARGE, JOURNAL_DISK_FULL, JOURNAL_VALUE_SIZE
 */
export async function openJournal(
  options: JournalOptions,
): Promise<{ readonly journal: Journal; readonly recovered: Recovered }> {
  const settings = settingsOf(options);
  const { fs, directory } = settings;
  const lock = await lockJournal(fs, directory);
  try {
    const { recovered, place } = await recover(fs, directory, settings.recoveredBytesMax);
    return { journal: new SegmentedJournal(settings, lock, place), recovered };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Whether a directory holds a journal's files, readable or not. A missing directory does not.
 *
 * @throws JournalError JOURNAL_DIRECTORY_UNREADABLE
 */
export async function journalExists(
  directory: string,
  fs: JournalFs = nodeJournalFs,
): Promise<boolean> {
  try {
    const names = await listNames(fs, directory);
    return names.segments.length + names.snapshots.length > 0;
  } catch (error) {
    if (error instanceof JournalError && error.fields['systemCode'] === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Removes a journal's files: the way on from JOURNAL_DAMAGED where live replicas hold the state.
 * What only this disk held is lost.
 *
 * @throws JournalError JOURNAL_LOCKED, JOURNAL_DIRECTORY_UNREADABLE, JOURNAL_WRITE_FAILED,
 *   JOURNAL_SYNC_FAILED
 */
export async function dangerDiscardJournal(
  directory: string,
  fs: JournalFs = nodeJournalFs,
): Promise<void> {
  const lock = await lockJournal(fs, directory);
  try {
    const names = await listNames(fs, directory);
    const files = [
      ...names.snapshots.map(snapshotName),
      // From the last to the first: a crash between leaves a beginning, not a gap.
      ...names.segments.toReversed().map(segmentName),
      ...names.temporary,
    ];
    for (const name of files) {
      await wrapWrite('remove', name, () => fs.remove(join(directory, name)));
    }
    await wrapSync(directory, () => fs.syncDirectory(directory));
  } finally {
    await lock.release();
  }
}

async function lockJournal(fs: JournalFs, directory: string): Promise<JournalLock> {
  let lock: JournalLock | undefined;
  try {
    await fs.makeDirectory(directory);
    lock = await fs.lock(directory);
  } catch (cause) {
    const systemCode = systemCodeOf(cause);
    const isFull = systemCode === 'ENOSPC' || systemCode === 'EDQUOT';
    throw isFull ? writeFailure('lock', directory, cause) : readFailure(directory, cause);
  }
  if (lock === undefined) {
    const fields = { directory };
    const message = 'another process uses the journal directory';
    throw new JournalError('JOURNAL_LOCKED', message, { fields });
  }
  return lock;
}
