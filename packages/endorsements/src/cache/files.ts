/** Bounded reads and atomic writes of small files. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Begins the name of files that are being written. */
export const TEMPORARY_PREFIX = '.new-';

/**
 * Reads a regular file, which must not be a symbolic link.
 *
 * @returns undefined when it is no regular file or has more than `bytesMax` bytes
 * @throws system errors, such as ENOENT, or ELOOP for a symbolic link
 */
export async function readBounded(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    const { size } = found;
    if (!found.isFile() || size > bytesMax) return undefined;
    const bytes = new Uint8Array(size);
    let length = 0;
    while (length < size) {
      const { bytesRead } = await file.read(bytes, length, size - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}

/**
 * Writes a file so that a reader, or a crash, sees the old one or the new one and nothing between.
 *
 * @param mode permissions of the new file
 * @throws system errors such as ENOSPC or EROFS; then nothing is left behind
 */
export async function writeAtomically(
  path: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${randomUUID()}`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(temporary, flags, mode);
  try {
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
