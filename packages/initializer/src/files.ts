/**
 * Writes the credentials, all or nothing: everything goes to a new directory beside the old one and
 * is synced; then each file takes its place by a rename. The key comes last but for `cert.pem`,
 * whose appearance says that all the rest is there. A reader never sees half a file.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InitializerError } from './errors.ts';

/** One file below the output directory. */
export interface OutputFile {
  readonly name: string;
  readonly content: Uint8Array | string;
  readonly mode: 0o400 | 0o444;
}

/**
 * @param files in the order in which they shall appear
 * @throws InitializerError INITIALIZER_OUTPUT_FAILED; what was there before is still there
 */
export async function writeOutput(directory: string, files: readonly OutputFile[]): Promise<void> {
  const staging = join(directory, `.new-${process.pid}`);
  try {
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true, mode: 0o700 });
    for (const file of files) await writeSynced(join(staging, file.name), file);
    for (const { name } of files) {
      await mkdir(dirname(join(directory, name)), { recursive: true, mode: 0o755 });
      await rename(join(staging, name), join(directory, name));
    }
    await syncDirectory(directory);
  } catch (cause) {
    const message = 'credentials cannot be written; check the output directory and its free space';
    const options = { fields: { directory }, cause };
    throw new InitializerError('INITIALIZER_OUTPUT_FAILED', message, options);
  } finally {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * Removes older versions of secrets that are not given out any more.
 *
 * @param current all files of secrets that shall stay
 * @throws InitializerError INITIALIZER_OUTPUT_FAILED
 */
export async function removeOldVersions(
  directory: string,
  current: readonly OutputFile[],
): Promise<void> {
  const kept = new Set(current.map(({ name }) => name));
  try {
    const found = await readdir(join(directory, 'secrets')).catch(() => []);
    for (const name of found) {
      const isOld = /\.v[0-9]+$/.test(name) && !kept.has(`secrets/${name}`);
      if (isOld) await rm(join(directory, 'secrets', name));
    }
  } catch (cause) {
    const message = 'an older version of a secret cannot be removed';
    const options = { fields: { directory }, cause };
    throw new InitializerError('INITIALIZER_OUTPUT_FAILED', message, options);
  }
}

async function writeSynced(path: string, file: OutputFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(file.content);
    await handle.chmod(file.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
