/**
 * Reading of the vectors' index files, whose shapes differ from folder to folder.
 */

export type Json = Readonly<Record<string, unknown>>;

/** The value as an object, or an empty one. */
export function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

/** The objects of a list, or none. */
export function objectsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function stringsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/**
 * Every leaf that differs, as `path: expected …, found …`. Only what `expected` has is compared.
 */
export function differences(expected: unknown, found: unknown, path: string): readonly string[] {
  if (typeof expected === 'object' && expected !== null) {
    const fields: Json = Array.isArray(found)
      ? Object.fromEntries(found.map((item: unknown, at) => [String(at), item]))
      : objectOf(found);
    return Object.entries(expected).flatMap(([name, value]) =>
      differences(value, fields[name], `${path}.${name}`),
    );
  }
  if (typeof expected === 'string' && expected.endsWith('…')) {
    const prefix = expected.slice(0, -1);
    return typeof found === 'string' && found.startsWith(prefix)
      ? []
      : [`${path}: expected ${expected}, found ${String(found)}`];
  }
  return expected === found
    ? []
    : [`${path}: expected ${String(expected)}, found ${String(found)}`];
}
