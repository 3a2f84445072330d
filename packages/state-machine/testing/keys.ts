/** Real keys and signatures of node:crypto, and a manifest to bend. */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { CodedError, sha256Hex, type Crypto, type Sha256Hex, utf8 } from '@witan/core';
import type { Approval } from '@witan/manifest';

/** ECDSA P-256 alone, which is all that these packages use. */
export const nodeCrypto: Crypto = {
  hash: (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return Uint8Array.from(hash.digest());
  },
  verify: ({ algorithm, publicKey, data, signature }) => {
    if (algorithm !== 'ecdsa-p256-sha256' || signature.byteLength !== 64) return false;
    try {
      const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
      return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    } catch {
      return false;
    }
  },
};

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly pem: string;
  readonly spki: Uint8Array;
  readonly fingerprint: Sha256Hex;
}

export function testKey(namedCurve: 'P-256' | 'P-384' = 'P-256'): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  const spki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
  return {
    privateKey,
    pem: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    spki,
    fingerprint: digest(spki),
  };
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
