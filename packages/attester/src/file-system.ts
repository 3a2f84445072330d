/**
 * The file operations that configfs-tsm needs, as a port, and the real one.
 *
 * configfs is no ordinary file system: sizes are not known before reading, attributes cannot be
 * sought in, a file opened for both reading and writing gives ETXTBSY, and a binary attribute takes
 * effect at close. So each operation here is one open, plain reads or one write, and one close
 * (Linux Documentation/ABI/testing/configfs-tsm-report and fs/configfs/file.c).
 */
import { constants } from 'node:fs';
import { mkdir, open, rmdir } from 'node:fs/promises';
import { AttesterError } from './errors.ts';

/** Failures are errors with a `code` of errno names, as Node.js throws them. Paths are absolute. */
export interface TsmFileSystem {
  mkdir(path: string): Promise<void>;
  /**
   * Reads a whole attribute.
   * @param bytesMax limit in bytes
   * @throws AttesterError ATTESTER_BLOB_TOO_LARGE when there is more
   */
  readFile(path: string, bytesMax: number): Promise<Uint8Array>;
  /** Writes a whole attribute with one write. It must exist. */
  writeFile(path: string, data: Uint8Array): Promise<void>;
  rmdir(path: string): Promise<void>;
}

const CHUNK_BYTES = 16 * 1024;

async function readWhole(path: string, bytesMax: number): Promise<Uint8Array> {
  const file = await open(path, constants.O_RDONLY);
  try {
    const chunks: Uint8Array[] = [];
    let byteLength = 0;
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      // Position null means read(2) instead of pread(2), which configfs does not offer.
      const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, null);
      if (bytesRead === 0) break;
      byteLength += bytesRead;
      if (byteLength > bytesMax) throw tooLarge(path, bytesMax);
      chunks.push(chunk.subarray(0, bytesRead));
    }
    return joined(chunks, byteLength);
  } finally {
    await file.close();
  }
}

function joined(chunks: readonly Uint8Array[], byteLength: number): Uint8Array {
  const whole = new Uint8Array(byteLength);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

/** The error for an attribute with more than `bytesMax` bytes. */
export function tooLarge(path: string, bytesMax: number): AttesterError {
  return new AttesterError('ATTESTER_BLOB_TOO_LARGE', 'the attribute is larger than its limit', {
    fields: { path, expected: `at most ${bytesMax} bytes` },
  });
}

async function writeOnce(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, constants.O_WRONLY);
  try {
    const { bytesWritten } = await file.write(data, 0, data.byteLength, null);
    if (bytesWritten !== data.byteLength) {
      throw new AttesterError('ATTESTER_IO', 'the kernel took only a part of the value', {
        fields: { path, expected: data.byteLength, found: bytesWritten },
      });
    }
  } finally {
    await file.close();
  }
}

/** The kernel's own configfs. */
export const nodeTsmFileSystem: TsmFileSystem = {
  mkdir: async (path) => {
    await mkdir(path);
  },
  readFile: readWhole,
  writeFile: writeOnce,
  // Not a recursive removal: the attribute files belong to the kernel and cannot be unlinked.
  rmdir: async (path) => {
    await rmdir(path);
  },
};
