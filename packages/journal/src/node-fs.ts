/**
 * JournalFs on node:fs. Nothing is retried: after a failed sync the kernel may have dropped the
 * pages, so a second sync would lie ("Can Applications Recover from fsync Failures?", ATC 2020).
 */
import { constants, mkdir, open, readdir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { systemCodeOf } from './errors.ts';
import type { JournalFile, JournalFs } from './fs.ts';
import { lockDirectory } from './node-lock.ts';

/** Most bytes of one system call; Node takes less than 2 GiB. */
const CHUNK_BYTES_MAX: number = 256 * 1024 * 1024;
/** Read at once. */
const PIECE_BYTES: number = 256 * 1024;
const ZEROS: Uint8Array = new Uint8Array(PIECE_BYTES);

/** The real file system. */
export const nodeJournalFs: JournalFs = {
  makeDirectory: (path: string): Promise<void> => makePath(resolve(path)),
  list: (directory: string): Promise<readonly string[]> => readdir(directory),
  create: async (path: string): Promise<JournalFile> => {
    const handle = await open(path, 'w', 0o600);
    try {
      return fileOf(handle, await open(path, constants.O_WRONLY | constants.O_DSYNC));
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  },
  open: async (path: string): Promise<JournalFile> => fileOf(await open(path, 'r+')),
  async read(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      return size > bytesMax ? undefined : await readAll(handle, size);
    } finally {
      await handle.close();
    }
  },
  rename: (from: string, to: string): Promise<void> => rename(from, to),
  remove: async (path: string): Promise<void> => {
    await unlink(path).catch((error: unknown) => {
      if (systemCodeOf(error) !== 'ENOENT') throw error;
    });
  },
  syncDirectory: (path: string): Promise<void> => syncPath(path),
  lock: lockDirectory,
};

/** @param durable the same file, opened so that each write is synced before it returns */
function fileOf(handle: FileHandle, durable?: FileHandle): JournalFile {
  return {
    write: (bytes: Uint8Array, offset: number): Promise<void> => writeAll(handle, bytes, offset),
    ...(durable === undefined
      ? {}
      : { writeDurably: (bytes, offset): Promise<void> => writeAll(durable, bytes, offset) }),
    truncate: (byteLength: number): Promise<void> => handle.truncate(byteLength),
    sync: (): Promise<void> => handle.datasync(),
    async close(): Promise<void> {
      await Promise.all([handle.close(), durable?.close()]);
    },
  };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const rest = Math.min(bytes.byteLength - written, CHUNK_BYTES_MAX);
    written += (await handle.write(bytes, written, rest, offset + written)).bytesWritten;
  }
}

/**
 * Not `mkdir` with `recursive`: Node 26 never returns from it below a directory that refuses new
 * entries by ENOENT, such as /proc. Each new entry is synced in its parent, so that it lasts.
 */
async function makePath(path: string): Promise<void> {
  const made = await tryMakeDirectory(path);
  if (made === 'exists') return;
  if (made === 'no-parent') {
    await makePath(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
  await syncPath(dirname(path));
}

async function tryMakeDirectory(path: string): Promise<'made' | 'exists' | 'no-parent'> {
  try {
    await mkdir(path, { mode: 0o700 });
    return 'made';
  } catch (error) {
    const systemCode = systemCodeOf(error);
    if (systemCode === 'EEXIST') return 'exists';
    if (systemCode === 'ENOENT' && dirname(path) !== path) return 'no-parent';
    throw error;
  }
}

/**
 * A segment that was not closed in order ends in megabytes of zeros. They are not copied, so that
 * the system never has to find memory for them.
 */
async function readAll(handle: FileHandle, byteLength: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  const piece = new Uint8Array(Math.min(byteLength, PIECE_BYTES));
  let filled = 0;
  while (filled < byteLength) {
    const rest = Math.min(byteLength - filled, piece.byteLength);
    const { bytesRead } = await handle.read(piece, 0, rest, filled);
    if (bytesRead === 0) return bytes.subarray(0, filled);
    const read = piece.subarray(0, bytesRead);
    if (Buffer.compare(read, ZEROS.subarray(0, bytesRead)) !== 0) bytes.set(read, filled);
    filled += bytesRead;
  }
  return bytes;
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
