/**
 * Global type names of the Web Cryptography API that the declarations of @peculiar/x509 expect from
 * the DOM library. They are Node's own types, so that this package need not claim to have a DOM.
 */
import type { webcrypto } from 'node:crypto';

declare global {
  type BufferSource = NodeJS.BufferSource;
  type Algorithm = webcrypto.Algorithm;
  type AlgorithmIdentifier = webcrypto.AlgorithmIdentifier;
  type CryptoKeyPair = webcrypto.CryptoKeyPair;
  type EcKeyGenParams = webcrypto.EcKeyGenParams;
  type EcKeyImportParams = webcrypto.EcKeyImportParams;
  type EcdsaParams = webcrypto.EcdsaParams;
  type KeyUsage = webcrypto.KeyUsage;
  type RsaHashedImportParams = webcrypto.RsaHashedImportParams;
}
