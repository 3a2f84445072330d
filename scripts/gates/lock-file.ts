/**
 * What the gates and complete-lock.ts need to know about package-lock.json (lock file version 3).
 */

/** One entry of `packages`, as far as it is used here. */
export interface LockPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly license?: string;
  readonly cpu?: readonly string[];
  readonly os?: readonly string[];
  readonly libc?: readonly string[];
  readonly engines?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** An optional dependency that somebody wants and the lock file does not list. */
export interface MissingOptional {
  readonly name: string;
  readonly version: string;
  /** Key of the wanting package in the lock file. */
  readonly wantedBy: string;
}

/** Every optional dependency without an entry; `npm ci` refuses a lock file that has one. */
export function missingOptionals(
  packages: Readonly<Record<string, LockPackage>>,
): readonly MissingOptional[] {
  const missing = new Map<string, MissingOptional>();
  for (const [wantedBy, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const places = [`${wantedBy}/node_modules/${name}`, `node_modules/${name}`];
      if (places.some((place) => place in packages)) continue;
      missing.set(name, { name, version, wantedBy });
    }
  }
  return [...missing.values()];
}
