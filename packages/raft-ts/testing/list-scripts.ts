/** Finds script files. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Every given file, and every `.txt` file below each given directory, sorted. */
export function listScripts(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
    const scripts = names.filter((name) => name.endsWith('.txt')).toSorted();
    return scripts.map((name) => join(path, name));
  });
}
