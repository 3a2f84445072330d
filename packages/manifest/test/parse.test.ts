import fc from 'fast-check';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { bytesEqual, toHex, utf8 } from '@witan/core';
import {
  ManifestError,
  MANIFEST_BYTES_MAX,
  parseManifest,
  type ManifestErrorCode,
} from '../src/index.ts';
import { ipAddressKey } from '../src/names.ts';
import {
  bytesOf,
  codeOf,
  draftManifest,
  edited,
  nodeCrypto,
  parse,
  refusalOf,
  ReferenceValuesError,
  testKey,
  type Draft,
  type Edits,
} from './support.ts';

const alice = testKey();
const bob = testKey();

const base = draftManifest([alice, bob], 2);

function withPem(pem: string): Draft {
  return edited(base, { 'owners/0/publicKey': pem });
}

function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join('\n')}\n-----END PUBLIC KEY-----\n`;
}

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
      secrets: ['database'],
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

const FIELD_PRIME = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const COEFFICIENT_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % FIELD_PRIME;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % FIELD_PRIME;
    square = (square * square) % FIELD_PRIME;
  }
  return result;
}

/** A true point, with its x written above the field prime: a second spelling of one key. */
function unreducedPoint(): Uint8Array {
  for (let x = 0n; ; x += 1n) {
    const right = (x * x * x - 3n * x + COEFFICIENT_B) % FIELD_PRIME;
    const y = power(right, (FIELD_PRIME + 1n) / 4n);
    if ((y * y) % FIELD_PRIME !== right) continue;
    const hex = [x + FIELD_PRIME, y].map((part) => part.toString(16).padStart(64, '0')).join('');
    return Uint8Array.of(...alice.spki.subarray(0, 27), ...Buffer.from(hex, 'hex'));
  }
}

describe('an owner key', () => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
  const offCurve = Uint8Array.from(alice.spki, (byte, at) => (at === 90 ? byte ^ 1 : byte));
  const infinity = Uint8Array.from(alice.spki, (byte, at) => (at < 27 ? byte : 0));
  const tooLarge = Uint8Array.from(alice.spki, (byte, at) => (at < 27 ? byte : 0xff));

  it.each([
    ['of another curve', p384.export({ format: 'pem', type: 'spki' }).toString()],
    ['with a point off the curve', pemOf(offCurve)],
    ['with all coordinates zero', pemOf(infinity)],
    ['with coordinates above the field prime', pemOf(tooLarge)],
    ['with a point on the curve that is not reduced', pemOf(unreducedPoint())],
    ['with a byte behind it', pemOf(Uint8Array.of(...alice.spki, 0))],
    ['that ends early', pemOf(alice.spki.subarray(0, 90))],
    ['with text before it', `Key of Alice\n${alice.pem}`],
    ['with Windows line ends', alice.pem.replaceAll('\n', '\r\n')],
    ['with spaces in it', alice.pem.replace(/\n(.{10})/, '\n$1 ')],
    ['in lines of another length', alice.pem.replace(/\n(.{30})/, '\n$1\n')],
    ['under another label', alice.pem.replaceAll('PUBLIC KEY', 'EC PUBLIC KEY')],
    ['twice', alice.pem + alice.pem],
    ['of nothing', ''],
  ])('%s is refused', (_name, pem) => {
    const error = refusalOf(() => parse(bytesOf(withPem(pem))));
    const path = 'owners[0].publicKey';
    expect(error).toMatchObject({ code: 'MANIFEST_BAD_PUBLIC_KEY', fields: { path } });
  });

  it('may lack the last line end', () => {
    expect(parse(bytesOf(withPem(alice.pem.trimEnd()))).owners[0]?.fingerprint).toBe(
      alice.fingerprint,
    );
  });
});

describe('addresses', () => {
  it('are valid for us only where they are for the operating system', () => {
    const pieces = fc.constantFrom('0', '1', 'ff', '255', '256', '01', ':', '::', '.', 'g', 'a');
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(pieces).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (address) => {
        if (ipAddressKey(address) !== undefined) expect(isIP(address)).not.toBe(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('in every plain spelling are accepted, and equal addresses have one key', () => {
    expect(ipAddressKey('::')).toBe('0:0:0:0:0:0:0:0');
    expect(ipAddressKey('1::')).toBe('1:0:0:0:0:0:0:0');
    expect(ipAddressKey('::1')).toBe(ipAddressKey('0:0:0:0:0:0:0:0001'));
    expect(ipAddressKey('1:2:3:4:5:6:7:8')).toBe('1:2:3:4:5:6:7:8');
    for (const bad of ['', ':', ':::', '1:2:3:4:5:6:7::8', '1::2::3', '1:2', '::ffff:1.2.3.4']) {
      expect(ipAddressKey(bad)).toBeUndefined();
    }
  });
});

describe('hostile bytes', () => {
  const valid = bytesOf(draftManifest([alice, bob]));

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
