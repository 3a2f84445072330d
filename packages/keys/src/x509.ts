/**
 * The one door to @peculiar/x509, which needs `reflect-metadata` loaded before it. It makes
 * certificates (asynchronously, by WebCrypto); reading and verifying is left to node:crypto.
 */
import 'reflect-metadata';
import type { KeyObject, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export { x509 };

/** Signature algorithm of every certificate made here. */
export const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A P-256 private key as WebCrypto wants it, for signing alone and not extractable. */
export function signingKeyOf(privateKey: KeyObject): webcrypto.CryptoKey {
  return privateKey.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
}
