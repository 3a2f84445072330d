/**
 * Ports to the outside. Pure packages take them as arguments; adapters implement them; testkit has
 * a fake of each with a compliance suite that the real one passes too.
 */
import type { UnixMillis } from './ids.ts';

/** Wall-clock time. Used for certificate validity and log lines alone, never for safety (I5). */
export interface Clock {
  now(): UnixMillis;
}

/** A source of unpredictable bytes. The simulator gives a seeded one. */
export interface Random {
  bytes(byteLength: number): Uint8Array;
}

/** The SHA-2 functions in use (FIPS 180-4). */
export type HashAlgorithm = 'sha256' | 'sha384' | 'sha512';

/**
 * `ecdsa-*`: signature is r || s, each of the curve's field size, big-endian (IEEE P1363).
 * `ecdsa-*-der`: signature is an ECDSA-Sig-Value (RFC 3279 section 2.2.3), as in certificates.
 * `rsa-pss-*`: salt length equals the hash length. `rsa-pkcs1-*`: RFC 8017 section 8.2.
 */
export type SignatureAlgorithm =
  | 'ecdsa-p256-sha256'
  | 'ecdsa-p384-sha384'
  | 'ecdsa-p256-sha256-der'
  | 'ecdsa-p384-sha384-der'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'rsa-pkcs1-sha256'
  | 'ed25519';

/** A signature to verify, with all that is needed. */
export interface SignatureCheck {
  readonly algorithm: SignatureAlgorithm;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
}

/** Public-key and hash operations on public data. Synchronous, without state. */
export interface Crypto {
  hash(algorithm: HashAlgorithm, ...parts: readonly Uint8Array[]): Uint8Array;
  /**
   * False for a wrong signature, a key of another kind, a malformed key or a malformed signature.
   */
  verify(check: SignatureCheck): boolean;
}
