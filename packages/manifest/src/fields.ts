/** Typed access to JSON values of a manifest, each step with a typed error. */
import { ManifestError } from './errors.ts';
import type { JsonArray, JsonObject, JsonValue } from './json.ts';
import { clip, itemPath, keyPath, ROOT_PATH } from './path.ts';

/** A JSON value and its place. */
export interface Located<Value extends JsonValue = JsonValue> {
  readonly value: Value;
  readonly path: string;
}

function typeName(value: JsonValue): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function wrongType(expected: string, { value, path }: Located): ManifestError {
  return new ManifestError('MANIFEST_WRONG_TYPE', { path, expected, found: typeName(value) });
}

/** The error MANIFEST_BAD_VALUE for a value, which it repeats in part. */
export function badValue(located: Located, expected: string): ManifestError {
  const { value, path } = located;
  const found = typeof value === 'object' ? typeName(value) : clip(String(value));
  return new ManifestError('MANIFEST_BAD_VALUE', { path, expected, found });
}

/** An object whose keys are names chosen by the author, such as `workloads`. */
export function readRecord(located: Located): Located<JsonObject> {
  const { value, path } = located;
  if (value === null || typeof value !== 'object' || isArray(value)) {
    throw wrongType('object', located);
  }
  return { value, path };
}

/** An object that may hold only the given fields. */
export function readObject(located: Located, fields: readonly string[]): Located<JsonObject> {
  const object = readRecord(located);
  for (const key of Object.keys(object.value)) {
    if (fields.includes(key)) continue;
    throw new ManifestError('MANIFEST_UNKNOWN_FIELD', {
      path: keyPath(object.path, key),
      expected: [...fields],
      found: clip(key),
    });
  }
  return object;
}

/** A member that may be absent. */
export function optionalField(object: Located<JsonObject>, name: string): Located | undefined {
  const value = object.value[name];
  return value === undefined ? undefined : { value, path: keyPath(object.path, name) };
}

/** A member that must be there. */
export function requiredField(object: Located<JsonObject>, name: string): Located {
  const field = optionalField(object, name);
  if (field !== undefined) return field;
  const path = object.path === ROOT_PATH ? name : keyPath(object.path, name);
  throw new ManifestError('MANIFEST_MISSING_FIELD', { path, expected: name, found: 'nothing' });
}

export function readString(located: Located): Located<string> {
  const { value, path } = located;
  if (typeof value !== 'string') throw wrongType('string', located);
  return { value, path };
}

export function readBoolean(located: Located): boolean {
  if (typeof located.value !== 'boolean') throw wrongType('boolean', located);
  return located.value;
}

/** A whole number between two bounds, both allowed. */
export function readInteger(located: Located, least: number, most: number): number {
  const { value } = located;
  if (typeof value !== 'number') throw wrongType('number', located);
  if (value < least || value > most) {
    throw badValue(located, `a whole number from ${least} to ${most}`);
  }
  return value;
}

/** A list with between `least` and `most` items. */
export function readList(located: Located, least: 0 | 1, most: number): readonly Located[] {
  const { value, path } = located;
  if (!isArray(value)) throw wrongType('array', located);
  if (value.length < least) {
    throw new ManifestError('MANIFEST_EMPTY_LIST', { path, expected: least, found: 0 });
  }
  checkCount(path, value.length, most);
  return value.map((item, index) => ({ value: item, path: itemPath(path, index) }));
}

/** @throws ManifestError MANIFEST_TOO_MANY above `most` */
export function checkCount(path: string, found: number, most: number): void {
  if (found > most) throw new ManifestError('MANIFEST_TOO_MANY', { path, expected: most, found });
}

/** Refuses the second item with the same key. */
export function checkUnique<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  pathOf: (index: number) => string,
): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (seen.has(key)) {
      throw new ManifestError('MANIFEST_DUPLICATE_VALUE', {
        path: pathOf(index),
        expected: 'a value that no earlier item has',
        found: clip(key),
      });
    }
    seen.add(key);
  }
}

function isArray(value: JsonValue): value is JsonArray {
  return Array.isArray(value);
}
