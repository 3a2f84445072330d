/**
 * Secrets in a manifest: a name alone, or an object that says whom the secret belongs to, which
 * version is the lowest, and how many older ones stay readable.
 */
import {
  badValue,
  checkUnique,
  optionalField,
  readInteger,
  readList,
  readObject,
  readString,
  requiredField,
  type Located,
} from './fields.ts';
import type { JsonObject } from './json.ts';
import * as limits from './limits.ts';
import { readLabel } from './names.ts';
import { itemPath } from './path.ts';
import type { SecretGrant, SecretKind } from './types.ts';

const FIELDS = ['name', 'kind', 'version', 'keep'];
const KINDS: readonly SecretKind[] = ['shared', 'workload', 'pod'];

/** Reads the field `secrets` of a workload. @throws ManifestError */
export function parseSecrets(workload: Located<JsonObject>): readonly SecretGrant[] {
  const list = optionalField(workload, 'secrets');
  if (list === undefined) return [];
  const grants = readList(list, 0, limits.NAMES_PER_WORKLOAD_MAX).map(parseGrant);
  checkUnique(
    grants,
    ({ name }) => name,
    (index) => itemPath(list.path, index),
  );
  return grants;
}

function parseGrant(item: Located): SecretGrant {
  const keep = limits.SECRET_KEEP_DEFAULT;
  if (typeof item.value === 'string') {
    return { name: readLabel(item), kind: 'workload', version: 1, keep };
  }
  const object = readObject(item, FIELDS);
  const kind = optionalField(object, 'kind');
  return {
    name: readLabel(requiredField(object, 'name')),
    kind: kind === undefined ? 'workload' : readKind(kind),
    version: integer(object, 'version', 1, limits.SECRET_VERSION_MAX, 1),
    keep: integer(object, 'keep', 0, limits.SECRET_KEEP_MAX, keep),
  };
}

function readKind(located: Located): SecretKind {
  const found = readString(located);
  const kind = KINDS.find((known) => known === found.value);
  if (kind === undefined) throw badValue(found, KINDS.join(', '));
  return kind;
}

function integer(
  object: Located<JsonObject>,
  field: string,
  least: number,
  most: number,
  otherwise: number,
): number {
  const located = optionalField(object, field);
  return located === undefined ? otherwise : readInteger(located, least, most);
}

/**
 * The versions of a secret that a workload receives, the current one first.
 *
 * @param rotatedTo to which version it was rotated; 0 for never
 * @param least the lowest version that there still is: older ones went with their seed
 */
export function versionsOf(grant: SecretGrant, rotatedTo: number, least = 1): readonly number[] {
  const current = Math.max(grant.version, rotatedTo);
  const oldest = Math.max(least, current - grant.keep);
  return Array.from({ length: current - oldest + 1 }, (_, at) => current - at);
}
