/**
 * The core ports Crypto, Random and Clock on Node.
 *
 * `verify` is stricter than OpenSSL where OpenSSL accepts several spellings of one thing: a public
 * key must be in the very encoding that Node would write (so no trailing bytes, no explicit curve
 * parameters as in CVE-2020-0601), and a signature must have exactly the expected length. It keeps
 * no state and does not cache keys.
 */
import {
  constants,
  createHash,
  createPublicKey,
  hash as hashAtOnce,
  randomBytes,
  verify as nodeVerify,
  type KeyObject,
  type VerifyKeyObjectInput,
} from 'node:crypto';
import {
  bytesEqual,
  toHex,
  unixMillis,
  unreachable,
  type Clock,
  type Crypto,
  type HashAlgorithm,
  type Random,
  type SignatureAlgorithm,
  type SignatureCheck,
  type UnixMillis,
} from '@witan/core';

/** Longest DER public key that is parsed: an RSA key of 8192 bits needs about 1100 bytes. */
const SPKI_BYTES_MAX = 2048;
/** RSA sizes in use by AMD (4096), Intel and others; above them, cost grows without a gain. */
const RSA_BITS_MIN = 2048;
const RSA_BITS_MAX = 8192;
/** Every RSA key met in evidence chains has 65537; a huge exponent is a way to burn time. */
const RSA_EXPONENT_MAX = 0xffff_ffffn;

/** Holds what is hashed in one go; empty in between. */
const SCRATCH = new Uint8Array(4096);

/** Without an object of OpenSSL for each hash, which costs three times the hash of a log entry. */
function hashSmall(
  algorithm: HashAlgorithm,
  parts: readonly Uint8Array[],
  byteLength: number,
): Uint8Array {
  let at = 0;
  for (const part of parts) {
    SCRATCH.set(part, at);
    at += part.byteLength;
  }
  const text = hashAtOnce(algorithm, SCRATCH.subarray(0, byteLength), 'binary');
  SCRATCH.fill(0, 0, byteLength);
  const digest = new Uint8Array(text.length);
  for (let i = 0; i < digest.length; i += 1) digest[i] = text.charCodeAt(i);
  return digest;
}

/** Hashes and signature checks by OpenSSL. `verify` returns false for anything malformed. */
export const nodeCrypto: Crypto = {
  hash(algorithm: HashAlgorithm, ...parts: readonly Uint8Array[]): Uint8Array {
    let byteLength = 0;
    for (const part of parts) byteLength += part.byteLength;
    if (byteLength <= SCRATCH.byteLength) return hashSmall(algorithm, parts, byteLength);
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },

  verify(check: SignatureCheck): boolean {
    try {
      const key = importPublicKey(check.publicKey);
      return key !== undefined && verifyWithKey(key, check);
    } catch {
      // OpenSSL reports some malformed keys and signatures by throwing instead of by `false`.
      return false;
    }
  },
};

/** Bytes from the operating system's generator, by way of OpenSSL's CSPRNG. */
export const nodeRandom: Random = {
  bytes: (byteLength: number): Uint8Array => new Uint8Array(randomBytes(byteLength)),
};

/** The machine's wall clock, which the host controls: never a basis for safety (I5). */
export const systemClock: Clock = {
  now: (): UnixMillis => unixMillis(Date.now()),
};

function importPublicKey(spki: Uint8Array): KeyObject | undefined {
  if (spki.byteLength > SPKI_BYTES_MAX) return undefined;
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  const canonical = key.export({ format: 'der', type: 'spki' });
  return bytesEqual(canonical, spki) && isUsualEcEncoding(key, spki) ? key : undefined;
}

/**
 * OpenSSL reads explicit curve parameters, reports them as the named curve, and writes them out
 * again as they came. RFC 5480 section 2.1.1 forbids them.
 *
 * @param spki the key's own encoding
 * @returns true for keys that are not on an elliptic curve in use here
 */
export function isUsualEcEncoding(key: KeyObject, spki: Uint8Array): boolean {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const head = curve === undefined ? undefined : EC_SPKI_HEADS[curve];
  return head === undefined || toHex(spki.subarray(0, head.length / 2)) === head;
}

/** SubjectPublicKeyInfo up to and with the 04 of an uncompressed point (RFC 5480 section 2). */
const EC_SPKI_HEADS: Readonly<Record<string, string>> = {
  prime256v1: '3059301306072a8648ce3d020106082a8648ce3d03010703420004',
  secp384r1: '3076301006072a8648ce3d020106052b8104002203620004',
};

/** What one algorithm demands of the key and of the call to OpenSSL. */
interface AlgorithmRule {
  readonly hash: HashAlgorithm | null;
  readonly keyFits: (key: KeyObject) => boolean;
  readonly signatureFits: (key: KeyObject, byteLength: number) => boolean;
  readonly options: Omit<VerifyKeyObjectInput, 'key'>;
}

function verifyWithKey(key: KeyObject, check: SignatureCheck): boolean {
  const rule = ruleOf(check.algorithm);
  if (!rule.keyFits(key) || !rule.signatureFits(key, check.signature.byteLength)) return false;
  return nodeVerify(rule.hash, check.data, { key, ...rule.options }, check.signature);
}

function ruleOf(algorithm: SignatureAlgorithm): AlgorithmRule {
  switch (algorithm) {
    case 'ecdsa-p256-sha256':
      return ecdsaRaw('prime256v1', 'sha256', 64);
    case 'ecdsa-p384-sha384':
      return ecdsaRaw('secp384r1', 'sha384', 96);
    case 'ecdsa-p256-sha256-der':
      return ecdsaDer('prime256v1', 'sha256', 72);
    case 'ecdsa-p384-sha384-der':
      return ecdsaDer('secp384r1', 'sha384', 104);
    case 'rsa-pss-sha256':
      return rsaPss('sha256', 32);
    case 'rsa-pss-sha384':
      return rsaPss('sha384', 48);
    case 'rsa-pkcs1-sha256':
      return rsa('sha256', { padding: constants.RSA_PKCS1_PADDING });
    case 'ed25519':
      return {
        hash: null,
        keyFits: (key) => key.asymmetricKeyType === 'ed25519',
        signatureFits: (_key, byteLength) => byteLength === 64,
        options: {},
      };
    default:
      return unreachable(algorithm);
  }
}

function onCurve(curve: string): (key: KeyObject) => boolean {
  return (key) => key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve;
}

function ecdsaRaw(curve: string, hash: HashAlgorithm, byteLengthExpected: number): AlgorithmRule {
  return {
    hash,
    keyFits: onCurve(curve),
    signatureFits: (_key, byteLength) => byteLength === byteLengthExpected,
    options: { dsaEncoding: 'ieee-p1363' },
  };
}

function ecdsaDer(curve: string, hash: HashAlgorithm, byteLengthMax: number): AlgorithmRule {
  return {
    hash,
    keyFits: onCurve(curve),
    signatureFits: (_key, byteLength) => byteLength <= byteLengthMax,
    options: { dsaEncoding: 'der' },
  };
}

function rsaPss(hash: HashAlgorithm, saltLength: number): AlgorithmRule {
  return rsa(hash, { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
}

function rsa(hash: HashAlgorithm, options: Omit<VerifyKeyObjectInput, 'key'>): AlgorithmRule {
  return {
    hash,
    // `rsa-pss` keys carry their own restrictions; no evidence chain uses them.
    keyFits: (key) => key.asymmetricKeyType === 'rsa' && rsaSizeFits(key),
    signatureFits: (key, byteLength) => byteLength * 8 === rsaBits(key),
    options,
  };
}

function rsaBits(key: KeyObject): number {
  return Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8) * 8;
}

function rsaSizeFits(key: KeyObject): boolean {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  const exponent = key.asymmetricKeyDetails?.publicExponent ?? 0n;
  return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && exponent <= RSA_EXPONENT_MAX;
}
