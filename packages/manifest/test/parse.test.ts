import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bytesEqual, toHex, utf8 } from '@witan/core';
import {
  ManifestError,
  MANIFEST_BYTES_MAX,
  parseManifest,
  shareHolders,
  type ManifestErrorCode,
} from '../src/index.ts';
import {
  bytesOf,
  codeOf,
  draftManifest,
  edited,
  nodeCrypto,
  parse,
  refusalOf,
  ReferenceValuesError,
  rsaKey,
  testKey,
  type Edits,
} from './support.ts';

const alice = testKey();
const bob = testKey();

const base = draftManifest([alice, bob], 2);

describe('a valid manifest', () => {
  const bytes = utf8(` ${JSON.stringify(base, null, 3)}\n`);
  const manifest = parse(bytes);

  it('keeps its exact bytes and their digest, never a new serialisation', () => {
    expect(bytesEqual(manifest.bytes, bytes)).toBe(true);
    expect(manifest.digest).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('does not change when the caller reuses its buffer', () => {
    const buffer = Uint8Array.from(bytes);
    const parsed = parse(buffer);
    buffer.fill(0);
    expect(bytesEqual(parsed.bytes, bytes)).toBe(true);
  });

  it('gives workloads, defaults and owners with their keys', () => {
    expect(manifest.coordinators).toEqual([{ measurement: 'c0' }]);
    expect([...manifest.workloads.keys()]).toEqual(['web', 'db']);
    expect(manifest.workloads.get('web')).toEqual({
      name: 'web',
      referenceValues: [{ measurement: 'aa' }],
      dnsNames: ['web.example.org', 'web'],
      ipAddresses: ['192.0.2.7', '2001:db8::7'],
      secrets: [{ name: 'database', kind: 'workload', version: 1, keep: 1 }],
      certificateLifetimeSeconds: 3600,
    });
    expect(manifest.workloads.get('db')).toMatchObject({
      dnsNames: [],
      secrets: [],
      certificateLifetimeSeconds: 86_400,
    });
    expect(manifest.owners.map((owner) => owner.fingerprint)).toEqual([
      alice.fingerprint,
      bob.fingerprint,
    ]);
    expect(toHex(manifest.owners[0]?.publicKey ?? utf8(''))).toBe(toHex(alice.spki));
    expect(manifest).toMatchObject({ updateThreshold: 2, allowNoUpdates: false });
  });

  it('has no threshold of recovery where no owner holds a share', () => {
    expect(manifest.recoveryThreshold).toBe(0);
    expect(shareHolders(manifest)).toBeUndefined();
  });

  it('names the owners who hold shares, in one order, and how many are needed', () => {
    const edits = {
      'owners/0/roles': ['recovery'],
      'owners/1/roles': ['recovery', 'update'],
      updateThreshold: 1,
      recoveryThreshold: 2,
    };
    const holders = shareHolders(parse(bytesOf(edited(base, edits))));
    expect(holders?.threshold).toBe(2);
    const fingerprints = holders?.owners.map(({ fingerprint }) => fingerprint);
    expect(fingerprints).toEqual([alice.fingerprint, bob.fingerprint].toSorted());
  });

  it('may do without owners where it says so, and then has no threshold', () => {
    const { updateThreshold: _, ...draft } = draftManifest([]);
    expect(parse(bytesOf({ ...draft, allowNoUpdates: true }))).toMatchObject({
      owners: [],
      updateThreshold: 0,
      allowNoUpdates: true,
    });
  });
});

describe('a manifest is refused with the place, the expected and the found value', () => {
  const many = (count: number): string[] => Array.from({ length: count }, (_, at) => `n${at}`);
  const manyWorkloads = Object.fromEntries(many(1001).map((name) => [name, {}]));
  const web = 'workloads/web';
  const cases: readonly (readonly [string, Edits, ManifestErrorCode, string])[] = [
    ['an unknown field', { extra: 1 }, 'MANIFEST_UNKNOWN_FIELD', 'extra'],
    ['__proto__', { ['__proto__']: 1 }, 'MANIFEST_UNKNOWN_FIELD', '__proto__'],
    [
      'an unknown field of a workload',
      { [`${web}/dnsName`]: [] },
      'MANIFEST_UNKNOWN_FIELD',
      'workloads.web.dnsName',
    ],
    [
      'an unknown field of an owner',
      { 'owners/1/role': [] },
      'MANIFEST_UNKNOWN_FIELD',
      'owners[1].role',
    ],
    ['no version', { apiVersion: undefined }, 'MANIFEST_MISSING_FIELD', 'apiVersion'],
    ['another version', { apiVersion: 'witan.dev/v2' }, 'MANIFEST_BAD_VALUE', 'apiVersion'],
    ['no coordinators', { coordinators: undefined }, 'MANIFEST_MISSING_FIELD', 'coordinators'],
    ['an empty list of coordinators', { coordinators: [] }, 'MANIFEST_EMPTY_LIST', 'coordinators'],
    ['too many coordinators', { coordinators: many(65) }, 'MANIFEST_TOO_MANY', 'coordinators'],
    [
      'bad reference values',
      { 'workloads/db/referenceValues/0': { measurement: 3 } },
      'MANIFEST_BAD_REFERENCE_VALUES',
      'workloads.db.referenceValues[0].measurement',
    ],
    ['a list of workloads', { workloads: [] }, 'MANIFEST_WRONG_TYPE', 'workloads'],
    ['no workloads', { workloads: null }, 'MANIFEST_WRONG_TYPE', 'workloads'],
    ['too many workloads', { workloads: manyWorkloads }, 'MANIFEST_TOO_MANY', 'workloads'],
    [
      'a workload name that is no label',
      { 'workloads/Web.1': {} },
      'MANIFEST_BAD_VALUE',
      'workloads["Web.1"]',
    ],
    [
      'a workload without reference values',
      { [`${web}/referenceValues`]: undefined },
      'MANIFEST_MISSING_FIELD',
      'workloads.web.referenceValues',
    ],
    [
      'a name that is no host name',
      { [`${web}/dnsNames/1`]: 'a b' },
      'MANIFEST_BAD_VALUE',
      'workloads.web.dnsNames[1]',
    ],
    [
      'a wildcard',
      { [`${web}/dnsNames/1`]: '*.example.org' },
      'MANIFEST_BAD_VALUE',
      'workloads.web.dnsNames[1]',
    ],
    [
      'an address among names',
      { [`${web}/dnsNames/1`]: '192.0.2.7' },
      'MANIFEST_BAD_VALUE',
      'workloads.web.dnsNames[1]',
    ],
    [
      'a name twice',
      { [`${web}/dnsNames/1`]: 'web.example.org' },
      'MANIFEST_DUPLICATE_VALUE',
      'workloads.web.dnsNames[1]',
    ],
    [
      'a name among addresses',
      { [`${web}/ipAddresses/0`]: 'web' },
      'MANIFEST_BAD_VALUE',
      'workloads.web.ipAddresses[0]',
    ],
    [
      'one address in two spellings',
      { [`${web}/ipAddresses/0`]: '2001:db8:0:0::7' },
      'MANIFEST_DUPLICATE_VALUE',
      'workloads.web.ipAddresses[1]',
    ],
    [
      'a number among names',
      { [`${web}/dnsNames/0`]: 7 },
      'MANIFEST_WRONG_TYPE',
      'workloads.web.dnsNames[0]',
    ],
    [
      'too many names',
      { [`${web}/dnsNames`]: many(65) },
      'MANIFEST_TOO_MANY',
      'workloads.web.dnsNames',
    ],
    [
      'a secret twice',
      { [`${web}/secrets`]: ['a', 'a'] },
      'MANIFEST_DUPLICATE_VALUE',
      'workloads.web.secrets[1]',
    ],
    [
      'a secret name that is no label',
      { [`${web}/secrets`]: ['../a'] },
      'MANIFEST_BAD_VALUE',
      'workloads.web.secrets[0]',
    ],
    [
      'a lifetime too short',
      { [`${web}/certificateLifetimeSeconds`]: 59 },
      'MANIFEST_BAD_VALUE',
      'workloads.web.certificateLifetimeSeconds',
    ],
    [
      'a lifetime too long',
      { [`${web}/certificateLifetimeSeconds`]: 30 * 86_400 + 1 },
      'MANIFEST_BAD_VALUE',
      'workloads.web.certificateLifetimeSeconds',
    ],
    [
      'a lifetime in text',
      { [`${web}/certificateLifetimeSeconds`]: '60' },
      'MANIFEST_WRONG_TYPE',
      'workloads.web.certificateLifetimeSeconds',
    ],
    ['no owners', { owners: [] }, 'MANIFEST_NO_UPDATE_OWNER', 'owners'],
    [
      'one owner name twice',
      { 'owners/1/name': 'owner-0' },
      'MANIFEST_DUPLICATE_VALUE',
      'owners[1].name',
    ],
    [
      'one owner key under two names',
      { 'owners/1/publicKey': alice.pem },
      'MANIFEST_DUPLICATE_VALUE',
      'owners[1].publicKey',
    ],
    ['an owner without roles', { 'owners/0/roles': [] }, 'MANIFEST_EMPTY_LIST', 'owners[0].roles'],
    [
      'an unknown role',
      { 'owners/0/roles': ['admin'] },
      'MANIFEST_BAD_VALUE',
      'owners[0].roles[0]',
    ],
    [
      'a role twice',
      { 'owners/0/roles': ['update', 'update'] },
      'MANIFEST_DUPLICATE_VALUE',
      'owners[0].roles[1]',
    ],
    ['no threshold', { updateThreshold: undefined }, 'MANIFEST_MISSING_FIELD', 'updateThreshold'],
    ['a threshold of zero', { updateThreshold: 0 }, 'MANIFEST_BAD_VALUE', 'updateThreshold'],
    [
      'a threshold above the owners',
      { updateThreshold: 3 },
      'MANIFEST_BAD_VALUE',
      'updateThreshold',
    ],
    [
      'owners although no updates are allowed',
      { allowNoUpdates: true },
      'MANIFEST_BAD_VALUE',
      'allowNoUpdates',
    ],
    [
      'a threshold without owners',
      { owners: [], allowNoUpdates: true },
      'MANIFEST_BAD_VALUE',
      'updateThreshold',
    ],
    [
      'a threshold of recovery without owners for it',
      { recoveryThreshold: 1 },
      'MANIFEST_BAD_VALUE',
      'recoveryThreshold',
    ],
    [
      'owners for recovery without a threshold',
      { 'owners/1/roles': ['update', 'recovery'] },
      'MANIFEST_MISSING_FIELD',
      'recoveryThreshold',
    ],
    [
      'a threshold of recovery of zero',
      { 'owners/1/roles': ['update', 'recovery'], recoveryThreshold: 0 },
      'MANIFEST_BAD_VALUE',
      'recoveryThreshold',
    ],
    [
      'a threshold of recovery above its owners',
      { 'owners/1/roles': ['update', 'recovery'], recoveryThreshold: 2 },
      'MANIFEST_BAD_VALUE',
      'recoveryThreshold',
    ],
    [
      'fewer owners for updates than their threshold, where the others are for recovery',
      { 'owners/1/roles': ['recovery'], recoveryThreshold: 1 },
      'MANIFEST_BAD_VALUE',
      'updateThreshold',
    ],
    [
      'a threshold of membership without owners for it',
      { membershipThreshold: 1 },
      'MANIFEST_BAD_VALUE',
      'membershipThreshold',
    ],
    [
      'owners for membership without a threshold',
      { 'owners/1/roles': ['update', 'membership'] },
      'MANIFEST_MISSING_FIELD',
      'membershipThreshold',
    ],
    [
      'a threshold of membership above its owners',
      { 'owners/1/roles': ['update', 'membership'], membershipThreshold: 2 },
      'MANIFEST_BAD_VALUE',
      'membershipThreshold',
    ],
    [
      'an auditor who may do more than look',
      { 'owners/1/roles': ['auditor', 'recovery'], recoveryThreshold: 1 },
      'MANIFEST_BAD_VALUE',
      'owners[1].roles',
    ],
    ['a flag in text', { allowNoUpdates: 'no' }, 'MANIFEST_WRONG_TYPE', 'allowNoUpdates'],
  ];

  it.each(cases)('%s', (_name, edits, code, path) => {
    const error = refusalOf(() => parse(bytesOf(edited(base, edits))));
    expect(error).toMatchObject({ code, fields: { path } });
    expect(error.fields['expected']).toBeDefined();
    expect(error.fields['found']).toBeDefined();
  });

  it('a document above 1 MiB, before reading it', () => {
    expect(codeOf(() => parse(new Uint8Array(MANIFEST_BYTES_MAX + 1)))).toBe('MANIFEST_TOO_LARGE');
  });

  it('bad reference values, with the error of their parser as the cause', () => {
    const draft = edited(base, { coordinators: [{}] });
    expect(refusalOf(() => parse(bytesOf(draft))).cause).toBeInstanceOf(ReferenceValuesError);
  });

  it('and a mistake in the reference value parser is not blamed on the document', () => {
    const broken = (): never => {
      throw new TypeError('a bug');
    };
    const options = { parseReferenceValues: broken, crypto: nodeCrypto };
    expect(() => parseManifest(bytesOf(draftManifest([alice])), options)).toThrow(TypeError);
  });
});

describe('hostile bytes', () => {
  const valid = bytesOf(
    edited(draftManifest([alice, bob]), {
      'owners/1/roles': ['update', 'recovery'],
      'owners/2': { name: 'carol', publicKey: rsaKey().pem, roles: ['recovery'] },
      recoveryThreshold: 2,
    }),
  );

  it('give a ManifestError or a manifest, and nothing else (I10)', () => {
    const change = fc.record({ at: fc.nat(valid.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Uint8Array.from(valid);
        for (const { at, byte } of changes) bytes[at] = byte;
        try {
          expect(bytesEqual(parse(bytes).bytes, bytes)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ManifestError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('cut anywhere are refused', () => {
    fc.assert(
      fc.property(fc.nat(valid.length - 1), (length) => {
        expect(codeOf(() => parse(valid.subarray(0, length)))).toBe('MANIFEST_NOT_JSON');
      }),
    );
  });
});
