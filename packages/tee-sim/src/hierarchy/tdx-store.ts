/**
 * The development hierarchy for TDX on disk, beside that for SEV-SNP and made in the same way:
 * root, platform authority and TCB signer are kept, so that the fingerprint stays the same; the
 * platforms' keys are derived from a secret. Collateral is made anew when it is asked for, since
 * that costs four signatures on P-256. None of it protects anything (I11).
 */
import { createHash, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createTdxHierarchy, p256Key, type P256Key } from '@witan/attestation/testing';
import { fromBase64, fromHex, toBase64, toHex } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import { FieldReader } from '../wire/fields.ts';
import { parseObject } from '../wire/lines.ts';
import { DEVELOPMENT_ORGANISATION } from './certificates.ts';
import { readTextIfPresent, writePrivateFile } from './files.ts';

/** What is kept of the hierarchy, by the names of `@witan/attestation/testing`. */
const KEPT = ['root', 'authority', 'tcbSigner'] as const;
type Kept = (typeof KEPT)[number];

/** The TDX trust root of one directory, ready for use. */
export interface TdxRoot {
  readonly keys: Readonly<Record<Kept, P256Key>>;
  /** Certificates in DER. */
  readonly certificates: Readonly<Record<Kept, Uint8Array>>;
  /** SHA-256 of the root certificate's DER, hex. A manifest must list it (I11). */
  readonly rootFingerprint: string;
  /** From which platform ids and PCKs are derived; 32 bytes. */
  readonly platformSecret: Uint8Array;
}

const FILE_NAME = 'tdx-hierarchy.json';
const CHARACTERS_MAX = 8192;

/**
 * Loads the hierarchy of a directory, or makes it.
 *
 * @param directory an existing private directory
 * @throws TeeSimError TEESIM_STATE_CORRUPT
 */
export function loadOrCreateTdxRoot(directory: string, nowMs: number = Date.now()): TdxRoot {
  const path = join(directory, FILE_NAME);
  const text = readTextIfPresent(path);
  if (text !== undefined) return parse(path, text);
  const root = create(nowMs);
  writePrivateFile(path, `${JSON.stringify(stored(root), undefined, 1)}\n`);
  return root;
}

function create(nowMs: number): TdxRoot {
  const keys = { root: p256Key(), authority: p256Key(), tcbSigner: p256Key() };
  const organisation = DEVELOPMENT_ORGANISATION;
  const { certificates, fingerprint } = createTdxHierarchy({ nowMs, organisation, keys });
  const { root, authority, tcbSigner } = certificates;
  return {
    keys,
    certificates: { root, authority, tcbSigner },
    rootFingerprint: fingerprint,
    platformSecret: new Uint8Array(randomBytes(32)),
  };
}

/** What is written to disk. Bytes are base64, keys PEM. */
function stored({ keys, certificates, platformSecret }: TdxRoot): object {
  const parts = KEPT.flatMap((name) => [
    [`${name}Key`, keys[name].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
    [`${name}Certificate`, toBase64(certificates[name])],
  ]);
  return {
    version: 1,
    ...(Object.fromEntries(parts) as object),
    platformSecret: toHex(platformSecret),
  };
}

function parse(path: string, text: string): TdxRoot {
  try {
    const reader = new FieldReader(parseObject(text) ?? {});
    reader.integer('version', 1, 1);
    const [root, authority, tcbSigner] = KEPT.map((name) => {
      const privateKey = createPrivateKey(reader.text(`${name}Key`, CHARACTERS_MAX));
      const certificate = fromBase64(reader.text(`${name}Certificate`, CHARACTERS_MAX));
      return { key: { privateKey, publicKey: createPublicKey(privateKey) }, certificate };
    });
    const platformSecret = fromHex(reader.text('platformSecret', 64));
    reader.end();
    if (root === undefined || authority === undefined || tcbSigner === undefined) {
      throw corrupt(path, undefined);
    }
    return {
      keys: { root: root.key, authority: authority.key, tcbSigner: tcbSigner.key },
      certificates: {
        root: root.certificate,
        authority: authority.certificate,
        tcbSigner: tcbSigner.certificate,
      },
      rootFingerprint: createHash('sha256').update(root.certificate).digest('hex'),
      platformSecret,
    };
  } catch (error) {
    throw corrupt(path, error);
  }
}

function corrupt(path: string, cause: unknown): TeeSimError {
  return new TeeSimError('TEESIM_STATE_CORRUPT', 'the development hierarchy cannot be read', {
    fields: { path, nextStep: 'restore the file, or remove it and set new fingerprints' },
    cause,
  });
}
