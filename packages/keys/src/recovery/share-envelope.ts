/**
 * A share on its way to its owner, and at rest: a JWE (RFC 7516, compact form) to the owner's
 * public key. RSA keys use RSA-OAEP-256, P-256 and P-384 keys ECDH-ES+A256KW (RFC 7518), the
 * content A256GCM. The protected header names what the share is bound to, so that an owner sees
 * which one to take; the share inside says the same, and only that counts.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { Secret, sha256Hex, toHex, type Sha256Hex } from '@witan/core';
import { SHARE_JWE_CHARS_MAX } from '@witan/manifest';
import { KeysError } from '../errors.ts';
import { nodeCrypto } from '../node-crypto.ts';
import {
  commitmentOf,
  decodeShare,
  encodeShare,
  malformedShare,
  type RecoveryShare,
} from './share.ts';

/** The type that the protected header of every share names. */
export const SHARE_JWE_TYPE = 'witan-recovery-share+jwe';
const RSA_BITS_MIN = 3072;
const RSA_BITS_MAX = 8192;
const CURVES: readonly (string | undefined)[] = ['prime256v1', 'secp384r1'];
const SPKI_BYTES_MAX = 2048;

type KeyAlgorithm = 'RSA-OAEP-256' | 'ECDH-ES+A256KW';

/**
 * Encrypts a share to its owner.
 *
 * @param publicKey DER SubjectPublicKeyInfo, whose digest is `share.owner`
 * @throws KeysError KEYS_SHARE_OWNER_KEY_UNSUPPORTED
 */
export async function sealShare(share: RecoveryShare, publicKey: Uint8Array): Promise<string> {
  const key = importOwnerKey(publicKey);
  const alg = shareAlgorithmOf(key);
  const header = {
    alg,
    enc: 'A256GCM',
    typ: SHARE_JWE_TYPE,
    kid: share.owner,
    'witan-cluster': share.clusterId,
    'witan-resharing': share.resharing,
    'witan-share': `${share.index} of ${share.count}, ${share.threshold} needed`,
    'witan-commitment': commitmentOf(share),
  };
  const bytes = encodeShare(share);
  try {
    return await new CompactEncrypt(bytes.expose()).setProtectedHeader(header).encrypt(key);
  } finally {
    bytes.wipe();
  }
}

/**
 * Opens a share with its owner's private key.
 *
 * @throws KeysError KEYS_SHARE_MALFORMED for something that is not a share; KEYS_SHARE_NOT_FOR_KEY
 *   when it does not open with this key, which an altered one does not either;
 *   KEYS_SHARE_OWNER_KEY_UNSUPPORTED
 */
export async function openShare(jwe: string, privateKey: KeyObject): Promise<RecoveryShare> {
  const owner = ownerOf(privateKey);
  if (jwe.length > SHARE_JWE_CHARS_MAX || !/^[\w-]+(?:\.[\w-]+){4}$/.test(jwe)) {
    throw malformedShare('compact JWE');
  }
  const bytes = await decrypt(jwe, privateKey, owner);
  try {
    const share = decodeShare(bytes);
    if (share.owner !== owner) throw malformedShare('owner');
    return share;
  } finally {
    bytes.wipe();
  }
}

/**
 * Demands a key that a share can be encrypted to.
 *
 * @throws KeysError KEYS_SHARE_OWNER_KEY_UNSUPPORTED
 */
export function assertHoldsShares(key: KeyObject): void {
  shareAlgorithmOf(key);
}

/** What names an owner: SHA-256 of the DER SubjectPublicKeyInfo. */
export function ownerFingerprint(publicKey: Uint8Array): Sha256Hex {
  return sha256Hex(toHex(nodeCrypto.hash('sha256', publicKey)));
}

async function decrypt(jwe: string, privateKey: KeyObject, owner: Sha256Hex): Promise<Secret> {
  const alg = shareAlgorithmOf(privateKey);
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, privateKey, {
      keyManagementAlgorithms: [alg],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    const secret = new Secret(plaintext);
    plaintext.fill(0);
    if (protectedHeader.typ !== SHARE_JWE_TYPE) throw malformedShare('type');
    return secret;
  } catch (cause) {
    if (cause instanceof KeysError) throw cause;
    const message = 'the share does not open with this key';
    throw new KeysError('KEYS_SHARE_NOT_FOR_KEY', message, { fields: { owner }, cause });
  }
}

/** @throws KeysError KEYS_SHARE_OWNER_KEY_UNSUPPORTED */
function importOwnerKey(publicKey: Uint8Array): KeyObject {
  if (publicKey.byteLength > SPKI_BYTES_MAX) throw unsupported('too long');
  try {
    return createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  } catch (cause) {
    throw unsupported('unreadable', cause);
  }
}

/** What a share is encrypted to a key with. @throws KeysError KEYS_SHARE_OWNER_KEY_UNSUPPORTED */
export function shareAlgorithmOf(key: KeyObject): KeyAlgorithm {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec' && CURVES.includes(namedCurve)) return 'ECDH-ES+A256KW';
  const bits = modulusLength ?? 0;
  const isRsa = key.asymmetricKeyType === 'rsa';
  if (isRsa && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) return 'RSA-OAEP-256';
  throw unsupported(`${String(key.asymmetricKeyType)} ${namedCurve ?? (isRsa ? bits : '')}`.trim());
}

function ownerOf(privateKey: KeyObject): Sha256Hex {
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return ownerFingerprint(Uint8Array.from(der));
}

function unsupported(found: string, cause?: unknown): KeysError {
  const message = 'an owner with this kind of key cannot be given a share';
  return new KeysError('KEYS_SHARE_OWNER_KEY_UNSUPPORTED', message, {
    fields: { expected: 'RSA of 3072 to 8192 bits, P-256 or P-384', found },
    ...(cause === undefined ? {} : { cause }),
  });
}
