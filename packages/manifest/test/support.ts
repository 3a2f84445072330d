/** What the tests share: real keys and signatures of node:crypto, and a manifest to bend. */
import {
  constants,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { CodedError, sha256Hex, type Crypto, type Sha256Hex, utf8 } from '@witan/core';
import {
  ManifestError,
  parseManifest,
  type Approval,
  type ManifestErrorCode,
  type OwnerKeyKind,
  type ValidatedManifest,
} from '../src/index.ts';

/** What each algorithm of owners demands of the key and of the call. */
const RULES: Readonly<Record<string, readonly [type: string, hash: string | null, size: number]>> =
  {
    'ecdsa-p256-sha256': ['prime256v1', 'sha256', 64],
    'ecdsa-p384-sha384': ['secp384r1', 'sha384', 96],
    'rsa-pss-sha256': ['rsa', 'sha256', 0],
    ed25519: ['ed25519', null, 64],
  };

/** The algorithms of owners' keys, and no others. */
export const nodeCrypto: Crypto = {
  hash: (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return Uint8Array.from(hash.digest());
  },
  verify: ({ algorithm, publicKey, data, signature }) => {
    const [type, hash = null, size] = RULES[algorithm] ?? [];
    try {
      const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
      const found = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType;
      if (found !== type || (size !== 0 && signature.byteLength !== size)) return false;
      const padding = type === 'rsa' ? { padding: constants.RSA_PKCS1_PSS_PADDING } : {};
      return verify(hash, data, { key, ...SIGNING, ...padding }, signature);
    } catch {
      return false;
    }
  },
};

const SIGNING = { dsaEncoding: 'ieee-p1363', saltLength: 32 } as const;

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly pem: string;
  readonly spki: Uint8Array;
  readonly fingerprint: Sha256Hex;
}

export function testKey(namedCurve: 'P-256' | 'P-384' = 'P-256'): TestKey {
  return keyOf(generateKeyPairSync('ec', { namedCurve }));
}

/** Slow to make from 4096 bits on. */
export function rsaKey(modulusLength = 3072): TestKey {
  return keyOf(generateKeyPairSync('rsa', { modulusLength }));
}

export function edKey(): TestKey {
  return keyOf(generateKeyPairSync('ed25519'));
}

function keyOf(pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }): TestKey {
  const { privateKey, publicKey } = pair;
  const spki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
  return {
    privateKey,
    pem: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    spki,
    fingerprint: digest(spki),
  };
}

/** A signature by the algorithm that Witan demands of the key's kind. */
export function signAs(kind: OwnerKeyKind, key: TestKey, data: Uint8Array): Uint8Array {
  const hash = { p256: 'sha256', p384: 'sha384', rsa: 'sha256', ed25519: null }[kind];
  const padding = kind === 'rsa' ? { padding: constants.RSA_PKCS1_PSS_PADDING } : {};
  return Uint8Array.from(sign(hash, data, { key: key.privateKey, ...SIGNING, ...padding }));
}

export function signWith(key: TestKey, data: Uint8Array): Uint8Array {
  return Uint8Array.from(sign('sha256', data, { key: key.privateKey, dsaEncoding: 'ieee-p1363' }));
}

export function approvalOf(key: TestKey, data: Uint8Array): Approval {
  return { ownerFingerprint: key.fingerprint, signature: signWith(key, data) };
}

export function digest(bytes: Uint8Array): Sha256Hex {
  return sha256Hex(createHash('sha256').update(bytes).digest('hex'));
}

export interface TestReferenceValues {
  readonly measurement: string;
}

export class ReferenceValuesError extends CodedError<'NO_MEASUREMENT'> {}

export function parseReferenceValues(value: unknown, path: string): TestReferenceValues {
  const measurement: unknown =
    typeof value === 'object' && value !== null && 'measurement' in value
      ? value.measurement
      : undefined;
  if (typeof measurement !== 'string') {
    const fields = { path: `${path}.measurement`, expected: 'text', found: typeof measurement };
    throw new ReferenceValuesError('NO_MEASUREMENT', 'no measurement', { fields });
  }
  return { measurement };
}

/** A JSON document that tests bend. */
export interface Draft {
  [field: string]: unknown;
}

/** Places separated by slashes, and what to put there; `undefined` removes. */
export type Edits = Readonly<Record<string, unknown>>;

/** A copy of the draft with the edits. */
export function edited(draft: Draft, edits: Edits): Draft {
  const copy = structuredClone(draft);
  for (const [place, value] of Object.entries(edits)) {
    const steps = place.split('/');
    const last = steps.pop() ?? '';
    let at = copy;
    for (const step of steps) at = at[step] as Draft;
    Object.defineProperty(at, last, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return copy;
}

export function draftManifest(owners: readonly TestKey[], threshold = 1): Draft {
  return {
    apiVersion: 'witan.dev/v1',
    coordinators: [{ measurement: 'c0' }],
    workloads: {
      web: {
        referenceValues: [{ measurement: 'aa' }],
        dnsNames: ['web.example.org', 'web'],
        ipAddresses: ['192.0.2.7', '2001:db8::7'],
        secrets: ['database'],
        certificateLifetimeSeconds: 3600,
      },
      db: { referenceValues: [{ measurement: 'bb' }] },
    },
    owners: owners.map((key, index) => ({
      name: `owner-${index}`,
      publicKey: key.pem,
      roles: ['update'],
    })),
    updateThreshold: threshold,
  };
}

export function bytesOf(draft: unknown): Uint8Array {
  return utf8(JSON.stringify(draft));
}

export function parse(bytes: Uint8Array): ValidatedManifest<TestReferenceValues> {
  return parseManifest(bytes, { parseReferenceValues, crypto: nodeCrypto });
}

/** The error that `act` throws; fails where it throws none or one of another class. */
export function refusalOf(act: () => unknown): ManifestError {
  try {
    act();
  } catch (error) {
    if (error instanceof ManifestError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

export function codeOf(act: () => unknown): ManifestErrorCode {
  return refusalOf(act).code;
}
