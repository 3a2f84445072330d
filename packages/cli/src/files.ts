/** Reading what the user names, and writing so that no half-written file is ever left. */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CliError } from './errors.ts';

const MIB = 1024 * 1024;
const INPUT_BYTES_MAX: number = 16 * MIB;

/** @throws CliError CLI_FILE_UNREADABLE */
export async function readInput(path: string, what: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > INPUT_BYTES_MAX) {
      const fields = { what, path, expected: `at most ${INPUT_BYTES_MAX} bytes`, found: size };
      throw new CliError('CLI_FILE_UNREADABLE', 'file is too large', { fields });
    }
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    const options = { fields: { what, path }, cause };
    throw new CliError('CLI_FILE_UNREADABLE', 'file cannot be read', options);
  }
}

/** A file to write. */
export interface Output {
  readonly path: string;
  readonly content: Uint8Array | string;
  readonly mode?: number;
}

/** Refuses before anything is written. @throws CliError CLI_FILE_EXISTS */
export async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const exists = await stat(path).then(
      () => true,
      () => false,
    );
    if (exists) {
      throw new CliError('CLI_FILE_EXISTS', 'file exists already', { fields: { path } });
    }
  }
}

/** Writes beside the place, syncs, renames. @throws CliError CLI_FILE_NOT_WRITTEN */
export async function writeOutput({ path, content, mode = 0o644 }: Output): Promise<void> {
  const temporary = `${path}.new-${process.pid}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const options = { fields: { path }, cause };
    throw new CliError('CLI_FILE_NOT_WRITTEN', 'file cannot be written', options);
  }
}
