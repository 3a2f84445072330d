/**
 * From bytes to a `ValidatedManifest`. Everything that is not expressly allowed is refused (I10):
 * an owner who mistypes a field must learn it before the cluster works without it.
 */
import {
  CodedError,
  sha256Hex,
  toHex,
  type Crypto,
  type ErrorFields,
  type Sha256Hex,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import {
  badValue,
  checkCount,
  checkUnique,
  optionalField,
  readBoolean,
  readInteger,
  readList,
  readObject,
  readRecord,
  readString,
  requiredField,
  type Located,
} from './fields.ts';
import { readJson, type JsonObject } from './json.ts';
import * as limits from './limits.ts';
import { ipAddressKey, isLabel, readHostName, readIpAddress, readLabel } from './names.ts';
import { clip, itemPath, keyPath, ROOT_PATH } from './path.ts';
import { decodeOwnerKey, unfitKey } from './public-key.ts';
import { parseSecrets } from './secrets.ts';
import type {
  ManifestContent,
  Owner,
  OwnerRole,
  ParseReferenceValues,
  ValidatedManifest,
  Workload,
} from './types.ts';

/** What parsing needs from outside. */
export interface ParseOptions<ReferenceValues> {
  readonly parseReferenceValues: ParseReferenceValues<ReferenceValues>;
  /** For the digest and the owners' fingerprints. */
  readonly crypto: Crypto;
}

const TOP_FIELDS = [
  'apiVersion',
  'coordinators',
  'workloads',
  'owners',
  'updateThreshold',
  'allowNoUpdates',
  'recoveryThreshold',
  'membershipThreshold',
];
const WORKLOAD_FIELDS = [
  'referenceValues',
  'dnsNames',
  'ipAddresses',
  'secrets',
  'certificateLifetimeSeconds',
];
const OWNER_FIELDS = ['name', 'publicKey', 'roles'];
const OWNER_ROLES: readonly OwnerRole[] = ['update', 'recovery', 'membership', 'auditor'];

/**
 * Reads and checks a manifest. The result keeps a private copy of the bytes.
 *
 * @param bytes the document exactly as its owner wrote it
 * @throws ManifestError with the place, the expected and the found value
 */
export function parseManifest<ReferenceValues>(
  bytes: Uint8Array,
  options: ParseOptions<ReferenceValues>,
): ValidatedManifest<ReferenceValues> {
  if (bytes.byteLength > limits.MANIFEST_BYTES_MAX) {
    throw new ManifestError('MANIFEST_TOO_LARGE', {
      path: ROOT_PATH,
      expected: limits.MANIFEST_BYTES_MAX,
      found: bytes.byteLength,
    });
  }
  const { parseReferenceValues, crypto } = options;
  const top = readRecord({ value: readJson(bytes), path: ROOT_PATH });
  const version = requiredField(top, 'apiVersion');
  // Before the fields: a newer schema should be reported as such, and not as an unknown field.
  if (version.value !== 'witan.dev/v1') throw badValue(readString(version), 'witan.dev/v1');
  readObject(top, TOP_FIELDS);
  const owners = parseOwners(requiredField(top, 'owners'), crypto);
  const content: ManifestContent<ReferenceValues> = {
    bytes: Uint8Array.from(bytes),
    digest: digestOf(bytes, crypto),
    apiVersion: 'witan.dev/v1',
    coordinators: parseReferences(requiredField(top, 'coordinators'), parseReferenceValues),
    workloads: parseWorkloads(requiredField(top, 'workloads'), parseReferenceValues),
    owners,
    ...parseUpdateRules(top, owners),
    recoveryThreshold: parseThreshold(top, 'recoveryThreshold', 'recovery', owners),
    membershipThreshold: parseThreshold(top, 'membershipThreshold', 'membership', owners),
  };
  return content as ValidatedManifest<ReferenceValues>;
}

/** The digest of a manifest: SHA-256 over its exact bytes. */
export function manifestDigest(bytes: Uint8Array, crypto: Crypto): Sha256Hex {
  return digestOf(bytes, crypto);
}

function digestOf(bytes: Uint8Array, crypto: Crypto): Sha256Hex {
  return sha256Hex(toHex(crypto.hash('sha256', bytes)));
}

function parseReferences<ReferenceValues>(
  located: Located,
  parse: ParseReferenceValues<ReferenceValues>,
): readonly ReferenceValues[] {
  return readList(located, 1, limits.REFERENCE_VALUES_MAX).map(({ value, path }) => {
    try {
      return parse(value, path);
    } catch (error) {
      throw badReferenceValues(path, error);
    }
  });
}

/** Lifts the place and the values out of the parser's own error, where it names them. */
function badReferenceValues(path: string, error: unknown): ManifestError {
  // Anything else is a mistake in the parser, and not in the document.
  if (!(error instanceof CodedError)) throw error;
  const inner: ErrorFields = error.fields;
  return new ManifestError(
    'MANIFEST_BAD_REFERENCE_VALUES',
    {
      path: typeof inner['path'] === 'string' ? clip(inner['path']) : path,
      expected: inner['expected'] ?? 'reference values',
      found: inner['found'] ?? 'something else',
    },
    error,
  );
}

function parseWorkloads<ReferenceValues>(
  located: Located,
  parse: ParseReferenceValues<ReferenceValues>,
): ReadonlyMap<string, Workload<ReferenceValues>> {
  const record = readRecord(located);
  const entries = Object.entries(record.value);
  checkCount(record.path, entries.length, limits.WORKLOADS_MAX);
  const workloads = new Map<string, Workload<ReferenceValues>>();
  for (const [name, value] of entries) {
    const path = keyPath(record.path, name);
    if (!isLabel(name)) throw badValue({ value: name, path }, 'a DNS label as the name');
    workloads.set(name, parseWorkload(name, { value, path }, parse));
  }
  return workloads;
}

function parseWorkload<ReferenceValues>(
  name: string,
  located: Located,
  parse: ParseReferenceValues<ReferenceValues>,
): Workload<ReferenceValues> {
  const object = readObject(located, WORKLOAD_FIELDS);
  const lifetime = optionalField(object, 'certificateLifetimeSeconds');
  return {
    name,
    referenceValues: parseReferences(requiredField(object, 'referenceValues'), parse),
    dnsNames: parseNames(object, 'dnsNames', readHostName),
    ipAddresses: parseNames(object, 'ipAddresses', readIpAddress, ipAddressKey),
    secrets: parseSecrets(object),
    certificateLifetimeSeconds:
      lifetime === undefined
        ? limits.CERTIFICATE_LIFETIME_SECONDS_DEFAULT
        : readInteger(
            lifetime,
            limits.CERTIFICATE_LIFETIME_SECONDS_MIN,
            limits.CERTIFICATE_LIFETIME_SECONDS_MAX,
          ),
  };
}

function parseNames(
  object: Located<JsonObject>,
  field: string,
  read: (located: Located) => string,
  keyOf: (name: string) => string | undefined = (name) => name,
): readonly string[] {
  const list = optionalField(object, field);
  if (list === undefined) return [];
  const names = readList(list, 0, limits.NAMES_PER_WORKLOAD_MAX).map((item) => read(item));
  checkUnique(
    names,
    (name) => keyOf(name) ?? name,
    (index) => itemPath(list.path, index),
  );
  return names;
}

function parseOwners(located: Located, crypto: Crypto): readonly Owner[] {
  const owners = readList(located, 0, limits.OWNERS_MAX).map((item) => parseOwner(item, crypto));
  const pathOf = (field: string) => (index: number) =>
    keyPath(itemPath(located.path, index), field);
  checkUnique(owners, (owner) => owner.name, pathOf('name'));
  // One key under two names would count as two approvals.
  checkUnique(owners, (owner) => owner.fingerprint, pathOf('publicKey'));
  return owners;
}

function parseOwner(located: Located, crypto: Crypto): Owner {
  const object = readObject(located, OWNER_FIELDS);
  const key = requiredField(object, 'publicKey');
  const { kind, der } = decodeOwnerKey(key);
  const roles = parseRoles(requiredField(object, 'roles'));
  if (kind === 'ed25519' && roles.includes('recovery')) throw unfitKey(key);
  return {
    name: readLabel(requiredField(object, 'name')),
    keyKind: kind,
    publicKey: der,
    fingerprint: digestOf(der, crypto),
    roles,
  };
}

function parseRoles(located: Located): readonly OwnerRole[] {
  const roles = readList(located, 1, limits.OWNERS_MAX).map((item): OwnerRole => {
    const role = OWNER_ROLES.find((known) => known === readString(item).value);
    if (role === undefined) throw badValue(item, OWNER_ROLES.join(' or '));
    return role;
  });
  checkUnique(
    roles,
    (role) => role,
    (index) => itemPath(located.path, index),
  );
  // Whoever only looks must not be able to do anything else with the same key.
  if (roles.includes('auditor') && roles.length > 1) {
    const value = roles.join(', ');
    throw badValue({ value, path: located.path }, 'auditor without another role');
  }
  return roles;
}

/** Required where there are owners with the role, and refused where there are none. */
function parseThreshold(
  top: Located<JsonObject>,
  field: 'recoveryThreshold' | 'membershipThreshold',
  role: OwnerRole,
  owners: readonly Owner[],
): number {
  const holders = owners.filter((owner) => owner.roles.includes(role)).length;
  if (holders > 0) return readInteger(requiredField(top, field), 1, holders);
  const threshold = optionalField(top, field);
  if (threshold !== undefined) throw badValue(threshold, `nothing where no owner has ${role}`);
  return 0;
}

function parseUpdateRules(
  top: Located<JsonObject>,
  owners: readonly Owner[],
): { readonly updateThreshold: number; readonly allowNoUpdates: boolean } {
  const updaters = owners.filter((owner) => owner.roles.includes('update')).length;
  const flag = optionalField(top, 'allowNoUpdates');
  const allowNoUpdates = flag !== undefined && readBoolean(flag);
  if (updaters > 0) {
    // Both at once could mean two things, so it means neither.
    if (flag !== undefined && allowNoUpdates) throw badValue(flag, 'false where owners may update');
    const threshold = readInteger(requiredField(top, 'updateThreshold'), 1, updaters);
    return { updateThreshold: threshold, allowNoUpdates: false };
  }
  if (!allowNoUpdates) {
    throw new ManifestError('MANIFEST_NO_UPDATE_OWNER', {
      path: 'owners',
      expected: 'an owner with the role update, or "allowNoUpdates": true',
      found: updaters,
    });
  }
  const threshold = optionalField(top, 'updateThreshold');
  if (threshold !== undefined) throw badValue(threshold, 'nothing where no owner may update');
  return { updateThreshold: 0, allowNoUpdates: true };
}
