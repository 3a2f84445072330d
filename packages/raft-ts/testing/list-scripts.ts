/** Finds script files, and tells whose they are. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { kindOfFile, type Kind } from './kinds.ts';

/** A path that is not there, or nothing to run below it. */
export class PathError extends Error {
  override readonly name: string = 'PathError';
}

/** Folders that hold no scripts of anybody's own. */
const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['node_modules', '.git']);

/**
 * Every given file, and every file below each given directory, in the order of their names.
 * @throws PathError if a path does not exist
 */
export function listFiles(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) throw new PathError(`${path} does not exist`);
    return stats.isDirectory() ? listDirectory(path) : [path];
  });
}

function listDirectory(path: string): readonly string[] {
  const children = readdirSync(path, { withFileTypes: true });
  return children
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap((child): readonly string[] => {
      const full = join(path, child.name);
      if (child.isDirectory()) return SKIPPED_FOLDERS.has(child.name) ? [] : listDirectory(full);
      return child.isFile() ? [full] : [];
    });
}

/** Every `.txt` file of the given paths. */
export function listScripts(paths: readonly string[]): readonly string[] {
  return listFiles(paths).filter((path) => path.endsWith('.txt'));
}

/** The files of one runner, and those that it leaves, with their kind. */
export type Selection = {
  readonly own: readonly string[];
  readonly left: readonly { readonly path: string; readonly kind: Kind }[];
};

/**
 * Picks the files of some kinds.
 * @throws PathError if there is none, or a path does not exist
 */
export function selectScripts(paths: readonly string[], kinds: readonly Kind[]): Selection {
  if (paths.length === 0) throw new PathError('no path is given');
  const files = listFiles(paths).map((path) => ({ path, kind: kindOfFile(path) }));
  const own = files.filter(({ kind }) => kinds.includes(kind)).map(({ path }) => path);
  const left = files.filter(({ kind }) => !kinds.includes(kind));
  if (own.length > 0) return { own, left };
  const found = left.map(({ path, kind }) => `\n  ${path} (${describeKind(kind)})`).slice(0, 10);
  throw new PathError(
    `no ${kinds.join(' or ')} script in ${paths.join(', ')}${found.join('') || ': it is empty'}`,
  );
}

/** Who runs a kind of file. */
export function describeKind(kind: Kind): string {
  if (kind === 'interaction') return 'an interaction script, for raft:interaction';
  return kind === 'other' ? 'no script' : `${kind} vectors, for raft:vectors`;
}
