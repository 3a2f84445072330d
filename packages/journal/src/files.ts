/**
 * Making a file durable under its final name: written under another name, synced, renamed, and the
 * directory synced (a missing directory sync is a classic way to lose a file).
 */
import { join } from 'node:path';
import { syncFailure, writeFailure } from './errors.ts';
import type { JournalFile, JournalFs } from './fs.ts';
import { temporaryName } from './names.ts';

/**
 * Writes a new file; afterwards it exists completely, whatever happens.
 *
 * @param parts written one behind the other
 * @returns the file, still open
 * @throws JournalError JOURNAL_DISK_FULL, JOURNAL_WRITE_FAILED, or JOURNAL_SYNC_FAILED, after which
 *   the directory's state is unknown
 */
export async function createDurably(
  fs: JournalFs,
  directory: string,
  name: string,
  parts: Iterable<Uint8Array>,
): Promise<JournalFile> {
  const path = join(directory, name);
  const temporary = join(directory, temporaryName(name));
  const file = await wrapWrite('create', temporary, () => fs.create(temporary));
  try {
    let offset = 0;
    for (const part of parts) {
      const at = offset;
      await wrapWrite('write', temporary, () => file.write(part, at));
      offset += part.byteLength;
    }
    await wrapSync(temporary, () => file.sync());
    await wrapWrite('rename', path, () => fs.rename(temporary, path));
    await wrapSync(directory, () => fs.syncDirectory(directory));
    return file;
  } catch (error) {
    // What failed first is reported; tidying up is only an attempt, and open repeats it.
    await file.close().catch(() => undefined);
    await fs.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Runs a file operation and gives its failure a code. */
export async function wrapWrite<Value>(
  operation: string,
  path: string,
  run: () => Promise<Value>,
): Promise<Value> {
  try {
    return await run();
  } catch (cause) {
    throw writeFailure(operation, path, cause);
  }
}

/** Runs a sync and gives its failure a code. */
export async function wrapSync(path: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    throw syncFailure(path, cause);
  }
}
