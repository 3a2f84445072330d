/** Whatever a named program loads must be measured, or an edit could go unnoticed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROGRAMS, REPOSITORY_ROOT } from '../src/index.ts';

const IMPORT = /^(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]/gm;
const packages = join(REPOSITORY_ROOT, 'packages');

interface PackageFile {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
}

/** Every module that a package of this repository exports, by its specifier. */
const moduleOf = new Map(
  readdirSync(packages).flatMap((directory) => {
    const path = join(packages, directory, 'package.json');
    if (!existsSync(path)) return [];
    const { name, exports } = JSON.parse(readFileSync(path, 'utf8')) as PackageFile;
    return Object.entries(exports).map(([subpath, target]) => {
      const file = typeof target === 'string' ? target : target.default;
      return [join(name, subpath), join(packages, directory, file)] as const;
    });
  }),
);

/** All files of this repository that the module loads, types included; relative to the root. */
function closure(entry: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const open = [resolve(REPOSITORY_ROOT, entry)];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const [, specifier = ''] of readFileSync(path, 'utf8').matchAll(IMPORT)) {
      if (specifier.startsWith('.')) open.push(resolve(dirname(path), specifier));
      else if (moduleOf.has(specifier)) open.push(moduleOf.get(specifier) ?? '');
      else expect(specifier).not.toMatch(/^@witan\/|^raft-ts/);
    }
  }
  return new Set([...seen].map((path) => relative(REPOSITORY_ROOT, path)));
}

const uncovered = (loaded: ReadonlySet<string>, files: readonly string[]): readonly string[] =>
  [...loaded].filter((path) => !files.some((file) => path === file || path.startsWith(`${file}/`)));

describe('named programs', () => {
  it.each(PROGRAMS.map((program) => [program.name, program] as const))(
    'measure all that %s loads',
    (_name, program) => {
      const loaded = closure(program.entry);
      expect(loaded.size).toBeGreaterThan(10);
      expect(uncovered(loaded, program.files)).toEqual([]);
      expect(program.files).toContain('package-lock.json');
    },
  );

  it('would be caught if they loaded a file that is not measured', () => {
    const [program] = PROGRAMS;
    const files = program?.files.filter((file) => file !== 'packages/core/src') ?? [];
    expect(uncovered(closure(program?.entry ?? ''), files)).toContain('packages/core/src/bytes.ts');
  });
});
