/** Endorsements that the user names: files, and directories with files among others. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CliError } from '../errors.ts';
import { unusable } from './input.ts';
import { mergeMaterial, readCachedMaterial, readMaterialFile, type Material } from './material.ts';

/** Files that are looked at in one directory, and paths that may be named. */
const FILES_MAX = 256;
const WHAT = 'endorsements';

/** Material with the files of directories that were no endorsements. */
export interface GatheredMaterial {
  readonly material: Material;
  /** Paths that were passed over. */
  readonly ignored: readonly string[];
}

/**
 * Reads all of them. A file that is named must be usable; one that merely lies in a directory is
 * passed over and listed.
 *
 * @throws CliError CLI_FILE_UNREADABLE
 */
export async function gatherEndorsements(paths: readonly string[]): Promise<GatheredMaterial> {
  const parts: Material[] = [];
  const ignored: string[] = [];
  if (paths.length > FILES_MAX) {
    throw unusable({ path: '', what: WHAT }, `at most ${FILES_MAX} paths`, String(paths.length));
  }
  for (const path of paths) {
    if (!(await isDirectory(path))) {
      parts.push(await readMaterialFile(path, WHAT));
      continue;
    }
    const cache = join(path, 'content');
    const isCache =
      (await isDirectory(join(path, 'index'), true)) && (await isDirectory(cache, true));
    for (const file of await filesIn(isCache ? cache : path)) {
      try {
        parts.push(await (isCache ? readCachedMaterial : readMaterialFile)(file, WHAT));
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        ignored.push(file);
      }
    }
  }
  return { material: mergeMaterial(parts), ignored };
}

async function isDirectory(path: string, mayBeAbsent = false): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    if (mayBeAbsent) return false;
    const options = { fields: { what: WHAT, path }, cause };
    throw new CliError('CLI_FILE_UNREADABLE', 'file cannot be read', options);
  }
}

async function filesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => join(directory, name));
  if (files.length <= FILES_MAX) return files.toSorted();
  const source = { path: directory, what: WHAT };
  throw unusable(source, `at most ${FILES_MAX} files in a directory`, String(files.length));
}
