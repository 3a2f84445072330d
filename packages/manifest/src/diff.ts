/**
 * What changes between two manifests, for people who are asked to approve. Works on the documents
 * and not on the parsed trees, so that no field of any reference values can be left out.
 *
 * Lists have no order in the schema, so items are matched by value, and owners by name. Spacing and
 * key order show in the digest alone.
 */
import type { ManifestContent } from './types.ts';
import { readJson, type JsonArray, type JsonObject, type JsonValue } from './json.ts';
import { itemPath, keyPath, ROOT_PATH } from './path.ts';

/** One difference. Item positions in paths are those of the document that has the item. */
export type ManifestChange =
  | { readonly kind: 'added'; readonly path: string; readonly after: JsonValue }
  | { readonly kind: 'removed'; readonly path: string; readonly before: JsonValue }
  | {
      readonly kind: 'changed';
      readonly path: string;
      readonly before: JsonValue;
      readonly after: JsonValue;
    };

/** @returns differences in the order of the old document, then what only the new one has */
export function diffManifests(
  before: Pick<ManifestContent<unknown>, 'bytes'>,
  after: Pick<ManifestContent<unknown>, 'bytes'>,
): readonly ManifestChange[] {
  const changes: ManifestChange[] = [];
  diffValues(readJson(before.bytes), readJson(after.bytes), ROOT_PATH, changes);
  return changes;
}

function diffValues(
  before: JsonValue,
  after: JsonValue,
  path: string,
  changes: ManifestChange[],
): void {
  if (isArray(before) && isArray(after)) {
    if (path === 'owners') diffOwners(before, after, path, changes);
    else diffLists(before, after, path, changes);
  } else if (isObject(before) && isObject(after)) {
    diffMembers(before, after, (key) => keyPath(path, key), changes);
  } else if (identityOf(before) !== identityOf(after)) {
    changes.push({ kind: 'changed', path, before, after });
  }
}

function diffMembers(
  before: JsonObject,
  after: JsonObject,
  pathOf: (key: string) => string,
  changes: ManifestChange[],
): void {
  for (const key of Object.keys(before)) {
    const path = pathOf(key);
    const old = before[key];
    const now = after[key];
    if (old === undefined) continue;
    if (now === undefined) changes.push({ kind: 'removed', path, before: old });
    else diffValues(old, now, path, changes);
  }
  for (const key of Object.keys(after)) {
    const now = after[key];
    if (now === undefined || before[key] !== undefined) continue;
    changes.push({ kind: 'added', path: pathOf(key), after: now });
  }
}

function diffLists(
  before: JsonArray,
  after: JsonArray,
  path: string,
  changes: ManifestChange[],
): void {
  const unmatched = new Map<string, number>();
  for (const item of after) {
    const identity = identityOf(item);
    unmatched.set(identity, (unmatched.get(identity) ?? 0) + 1);
  }
  for (const [index, item] of before.entries()) {
    const identity = identityOf(item);
    const left = unmatched.get(identity) ?? 0;
    if (left > 0) unmatched.set(identity, left - 1);
    else changes.push({ kind: 'removed', path: itemPath(path, index), before: item });
  }
  for (const [index, item] of after.entries()) {
    const identity = identityOf(item);
    const left = unmatched.get(identity) ?? 0;
    if (left === 0) continue;
    unmatched.set(identity, left - 1);
    changes.push({ kind: 'added', path: itemPath(path, index), after: item });
  }
}

function diffOwners(
  before: JsonArray,
  after: JsonArray,
  path: string,
  changes: ManifestChange[],
): void {
  diffMembers(byName(before), byName(after), (name) => keyPath(path, name), changes);
}

function byName(owners: JsonArray): JsonObject {
  const members = Object.create(null) as Record<string, JsonValue>;
  for (const owner of owners) {
    const name = isObject(owner) ? owner['name'] : undefined;
    if (typeof name === 'string') members[name] = owner;
  }
  return members;
}

/** Text that is equal for equal values, whatever the order of keys. */
export function identityOf(value: JsonValue): string {
  return JSON.stringify(value, (_key, inner: JsonValue) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function isArray(value: JsonValue): value is JsonArray {
  return Array.isArray(value);
}

function isObject(value: JsonValue): value is JsonObject {
  return value !== null && typeof value === 'object' && !isArray(value);
}
