/** Which workloads a manifest takes something away from. */
import { identityOf } from './diff.ts';
import { readJson, type JsonObject, type JsonValue } from './json.ts';
import type { ManifestContent } from './types.ts';

/**
 * Workloads that the later manifest does not list, or for which it lacks reference values that the
 * earlier one has. Works on the documents, as `diffManifests` does: an entry that is only written
 * in another order of keys is the same, and one that was changed in any way is another.
 */
export function withdrawnWorkloads(
  before: Pick<ManifestContent<unknown>, 'bytes'>,
  after: Pick<ManifestContent<unknown>, 'bytes'>,
): readonly string[] {
  const [old, now] = [before, after].map(({ bytes }) => workloadsIn(readJson(bytes)));
  return Object.keys(old ?? {}).filter((name) => {
    const kept = new Set(referencesIn(now?.[name]));
    return referencesIn(old?.[name]).some((entry) => !kept.has(entry));
  });
}

function workloadsIn(document: JsonValue): JsonObject {
  return asObject(asObject(document)['workloads'] ?? null);
}

function referencesIn(workload: JsonValue | undefined): readonly string[] {
  const list = asObject(workload ?? null)['referenceValues'];
  return Array.isArray(list) ? list.map((entry: JsonValue) => identityOf(entry)) : [];
}

function asObject(value: JsonValue): JsonObject {
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  return isObject ? (value as JsonObject) : {};
}
