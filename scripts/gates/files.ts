/**
 * Lists and reads the files of a source tree. Follows the working tree, not git's index, so that a
 * new file is checked before it is added.
 */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const ignoredDirectories: ReadonlySet<string> = new Set([
  'node_modules',
  '.git',
  '.witan',
  'coverage',
  'tmp',
]);

/** Every file below `root`, relative to it, sorted; generated and installed ones left out. */
export function listFiles(root: string, directory: string = root): readonly string[] {
  const files: string[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (!ignoredDirectories.has(entry.name)) files.push(...listFiles(root, path));
    } else if (entry.isFile()) {
      files.push(relative(root, path).split(sep).join('/'));
    }
  }
  return files.sort();
}

/** Whether a file is our own TypeScript or JavaScript, not generated. */
export function isSource(file: string): boolean {
  return /\.(ts|mts|mjs|js)$/.test(file) && !isGenerated(file);
}

/** Whether a file is written by a tool; such files are compared, not judged. */
export function isGenerated(file: string): boolean {
  return file.startsWith('packages/protocol/src/') || file === 'docs/errors.md';
}

/** Names of the directories under `packages`, sorted. */
export function listPackages(root: string): readonly string[] {
  const found = globSync('packages/*/package.json', { cwd: root });
  return found.map((path) => path.split(sep)[1] ?? '').sort();
}

/** UTF-8 text of a file of the tree. */
export function readText(root: string, file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** Parsed JSON of a file of the tree, or undefined where it does not exist. */
export function readJson(root: string, file: string): unknown {
  return existsSync(join(root, file)) ? JSON.parse(readText(root, file)) : undefined;
}
