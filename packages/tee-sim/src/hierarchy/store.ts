/**
 * The development hierarchy on disk: made once, then kept, so that its fingerprint stays the same
 * and manifests that list it stay valid.
 *
 * Only the root, the intermediate and one secret are stored. Chip ids and chip keys are derived
 * from the secret, the way a processor derives its VCEK from fuses and TCB. None of it protects
 * anything: whoever can read the directory can sign any report (I11).
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
} from 'node:crypto';
import { join } from 'node:path';
import { fromBase64, fromHex, toBase64, toHex } from '@witan/core';
import type { SnpProduct } from '@witan/attestation';
import { TeeSimError } from '../errors.ts';
import { FieldReader } from '../wire/fields.ts';
import { parseObject } from '../wire/lines.ts';
import {
  CRL_LIFETIME_MS,
  makeIntermediate,
  makeRevocationList,
  makeRoot,
  type Authority,
} from './certificates.ts';
import { readTextIfPresent, writePrivateFile } from './files.ts';

/** The trust root of one directory, ready for use. */
export interface Hierarchy {
  readonly product: SnpProduct;
  readonly root: Authority;
  readonly rootCertificate: Uint8Array;
  readonly intermediate: Authority;
  readonly intermediateCertificate: Uint8Array;
  readonly revocationList: Uint8Array;
  /** SHA-256 of the root certificate's DER, hex. A manifest must list it (I11). */
  readonly rootFingerprint: string;
  /** From which chip ids and chip keys are derived; 32 bytes. */
  readonly chipSecret: Uint8Array;
}

/** What is written to disk. Bytes are base64, keys PEM. */
interface StoredHierarchy {
  readonly version: 1;
  readonly product: SnpProduct;
  readonly rootKey: string;
  readonly rootCertificate: string;
  readonly intermediateKey: string;
  readonly intermediateCertificate: string;
  readonly revocationList: string;
  readonly revocationListNumber: number;
  /** Unix milliseconds. */
  readonly revocationListIssuedMs: number;
  readonly chipSecret: string;
}

const FILE_NAME = 'hierarchy.json';
const RSA_BITS = 4096;
const PEM_CHARACTERS_MAX = 8192;

/**
 * Loads the hierarchy of a directory, or makes it; renews the revocation list in good time.
 *
 * @param directory an existing private directory
 * @throws TeeSimError TEESIM_STATE_CORRUPT or TEESIM_PRODUCT_MISMATCH
 */
export function loadOrCreateHierarchy(
  directory: string,
  product: SnpProduct,
  nowMs: number = Date.now(),
): Hierarchy {
  return loadOrCreate(directory, FILE_NAME, product, nowMs);
}

/**
 * The same for a product line beside the one that the directory was made for.
 *
 * @throws TeeSimError TEESIM_STATE_CORRUPT
 */
export function loadOrCreateSecondHierarchy(directory: string, product: SnpProduct): Hierarchy {
  return loadOrCreate(directory, `hierarchy-${product.toLowerCase()}.json`, product, Date.now());
}

function loadOrCreate(
  directory: string,
  fileName: string,
  product: SnpProduct,
  nowMs: number,
): Hierarchy {
  const path = join(directory, fileName);
  const text = readTextIfPresent(path);
  const stored = text === undefined ? create(product, nowMs) : parse(path, text);
  if (stored.product !== product) {
    throw new TeeSimError('TEESIM_PRODUCT_MISMATCH', 'the directory holds another product line', {
      fields: { directory, expected: product, found: stored.product },
    });
  }
  const current = renewRevocationList(stored, nowMs);
  if (text === undefined || current !== stored) {
    writePrivateFile(path, `${JSON.stringify(current, undefined, 1)}\n`);
  }
  return open(path, current);
}

/** @returns the product line that a directory was made for, or undefined for a new one */
export function storedProduct(directory: string): SnpProduct | undefined {
  const path = join(directory, FILE_NAME);
  const text = readTextIfPresent(path);
  return text === undefined ? undefined : parse(path, text).product;
}

function newAuthority(): Authority {
  return generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
}

function create(product: SnpProduct, nowMs: number): StoredHierarchy {
  const root = newAuthority();
  const intermediate = newAuthority();
  return {
    version: 1,
    product,
    rootKey: pem(root),
    rootCertificate: toBase64(makeRoot(product, root, nowMs)),
    intermediateKey: pem(intermediate),
    intermediateCertificate: toBase64(makeIntermediate(product, root, intermediate, nowMs)),
    revocationList: toBase64(makeRevocationList(product, root, 1, nowMs)),
    revocationListNumber: 1,
    revocationListIssuedMs: nowMs,
    chipSecret: toHex(randomBytes(32)),
  };
}

function renewRevocationList(stored: StoredHierarchy, nowMs: number): StoredHierarchy {
  const ageMs = nowMs - stored.revocationListIssuedMs;
  if (ageMs >= 0 && ageMs < CRL_LIFETIME_MS / 2) return stored;
  const number = stored.revocationListNumber + 1;
  const list = makeRevocationList(stored.product, authority(stored.rootKey), number, nowMs);
  return {
    ...stored,
    revocationList: toBase64(list),
    revocationListNumber: number,
    revocationListIssuedMs: nowMs,
  };
}

function pem(keys: Authority): string {
  return keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function authority(keyPem: string): Authority {
  const privateKey = createPrivateKey(keyPem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

function open(path: string, stored: StoredHierarchy): Hierarchy {
  try {
    const rootCertificate = fromBase64(stored.rootCertificate);
    return {
      product: stored.product,
      root: authority(stored.rootKey),
      rootCertificate,
      intermediate: authority(stored.intermediateKey),
      intermediateCertificate: fromBase64(stored.intermediateCertificate),
      revocationList: fromBase64(stored.revocationList),
      rootFingerprint: createHash('sha256').update(rootCertificate).digest('hex'),
      chipSecret: fromHex(stored.chipSecret),
    };
  } catch (error) {
    throw corrupt(path, error);
  }
}

function parse(path: string, text: string): StoredHierarchy {
  const object = parseObject(text);
  if (object === undefined) throw corrupt(path, undefined);
  try {
    const reader = new FieldReader(object);
    reader.integer('version', 1, 1);
    const product = reader.text('product');
    if (product !== 'Milan' && product !== 'Genoa' && product !== 'Turin') {
      throw corrupt(path, undefined);
    }
    const stored: StoredHierarchy = {
      version: 1,
      product,
      rootKey: reader.text('rootKey', PEM_CHARACTERS_MAX),
      rootCertificate: reader.text('rootCertificate', PEM_CHARACTERS_MAX),
      intermediateKey: reader.text('intermediateKey', PEM_CHARACTERS_MAX),
      intermediateCertificate: reader.text('intermediateCertificate', PEM_CHARACTERS_MAX),
      revocationList: reader.text('revocationList', PEM_CHARACTERS_MAX),
      revocationListNumber: reader.integer('revocationListNumber', 1, 2 ** 31),
      revocationListIssuedMs: reader.integer('revocationListIssuedMs', 0, 2 ** 52),
      chipSecret: reader.text('chipSecret', 64),
    };
    reader.end();
    return stored;
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
