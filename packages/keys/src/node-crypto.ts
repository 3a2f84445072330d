/**
 * The core ports Crypto, Random and Clock on Node.
 *
 * `verify` is stricter than OpenSSL where OpenSSL accepts several spellings of one thing: a public
 * key must be in the very encoding that Node would write (so no trailing bytes, no explicit curve
 * parameters as in CVE-2020-0601), and a signature must have exactly the expected length. A key
 * that was read stays with the array it was read from, for as long as that lives: reading one of
 * P-384
 * again would add a twentieth to each check.
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
  fromHex,
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
    const [only, ...more] = parts;
    if (only !== undefined && more.length === 0) {
      return new Uint8Array(hashAtOnce(algorithm, only, 'buffer'));
    }
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },

  verify(check: SignatureCheck): boolean {
    try {
      const key = rememberedKey(check.publicKey);
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

/** A key with what an algorithm may demand of it. */
interface ImportedKey {
  readonly key: KeyObject;
  readonly type: string;
  readonly curve?: string | undefined;
  readonly modulusBits?: number | undefined;
  readonly exponent?: bigint | undefined;
}

/** Keys by the array that holds them; with a copy, since the owner may write into the array. */
const REMEMBERED = new WeakMap<
  Uint8Array,
  { readonly spki: Uint8Array; readonly key: ImportedKey }
>();

function rememberedKey(spki: Uint8Array): ImportedKey | undefined {
  const known = REMEMBERED.get(spki);
  if (known !== undefined && bytesEqual(known.spki, spki)) return known.key;
  const key = importPublicKey(spki);
  if (key !== undefined) REMEMBERED.set(spki, { spki: Uint8Array.from(spki), key });
  return key;
}

/** Whether bytes are a P-256 key in its one form here; one that was read before costs nothing. */
export function isP256Key(spki: Uint8Array): boolean {
  try {
    return rememberedKey(spki)?.curve === 'prime256v1';
  } catch {
    return false;
  }
}

function importPublicKey(spki: Uint8Array): ImportedKey | undefined {
  if (spki.byteLength > SPKI_BYTES_MAX) return undefined;
  const usual = usualEncoding(spki);
  const key = createPublicKey({
    key: Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength),
    format: 'der',
    type: 'spki',
  });
  if (usual !== undefined) return { key, ...usual };
  const canonical = key.export({ format: 'der', type: 'spki' });
  if (!bytesEqual(canonical, spki) || !isUsualEcEncoding(key, spki)) return undefined;
  const { namedCurve: curve, modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType ?? '';
  return { key, type, curve, modulusBits: modulusLength, exponent: publicExponent };
}

/**
 * Tells the encodings of nearly all keys by their bytes, which takes a tenth of the time that
 * OpenSSL needs to write a key out again. Every byte up to the point, or around the modulus, has
 * one value only, so nothing that passes here is another spelling of the key.
 */
function usualEncoding(spki: Uint8Array): Omit<ImportedKey, 'key'> | undefined {
  for (const [curve, head, byteLength] of EC_FORMS) {
    if (spki.byteLength === byteLength && startsWith(spki, head)) return { type: 'ec', curve };
  }
  for (const { bits, head, byteLength } of RSA_FORMS) {
    if (spki.byteLength !== byteLength || !startsWith(spki, head)) continue;
    const topBit = (spki[head.byteLength] ?? 0) >= 0x80;
    const tail = spki.subarray(byteLength - RSA_TAIL.byteLength);
    if (topBit && bytesEqual(tail, RSA_TAIL)) {
      return { type: 'rsa', modulusBits: bits, exponent: 65_537n };
    }
  }
  return undefined;
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return bytesEqual(bytes.subarray(0, head.byteLength), head);
}

/** INTEGER 65537, with which an RSA key ends. */
const RSA_TAIL: Uint8Array = Uint8Array.of(0x02, 0x03, 0x01, 0x00, 0x01);

/** SubjectPublicKeyInfo of RSA keys of a size, up to the modulus (RFC 8017 appendix A.1). */
const RSA_FORMS = [2048, 3072, 4096].map((bits) => {
  const modulusBytes = bits / 8;
  const field = (tag: string, contentBytes: number): string =>
    `${tag}82${contentBytes.toString(16).padStart(4, '0')}`;
  const keyBytes = 4 + 1 + modulusBytes + RSA_TAIL.byteLength;
  const bitString = 1 + 4 + keyBytes;
  const algorithm = '300d06092a864886f70d0101010500';
  const all = algorithm.length / 2 + 4 + bitString;
  const head = fromHex(
    `${field('30', all)}${algorithm}${field('03', bitString)}00${field('30', keyBytes)}` +
      `${field('02', 1 + modulusBytes)}00`,
  );
  return { bits, head, byteLength: 4 + all };
});

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

/** Curve, bytes before the coordinates, and length of the whole. */
const EC_FORMS: readonly (readonly [string, Uint8Array, number])[] = [
  ['prime256v1', fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004'), 91],
  ['secp384r1', fromHex('3076301006072a8648ce3d020106052b8104002203620004'), 120],
];

/** What one algorithm demands of the key and of the call to OpenSSL. */
interface AlgorithmRule {
  readonly hash: HashAlgorithm | null;
  readonly keyFits: (key: ImportedKey) => boolean;
  readonly signatureFits: (key: ImportedKey, byteLength: number) => boolean;
  readonly options: Omit<VerifyKeyObjectInput, 'key'>;
}

function verifyWithKey(imported: ImportedKey, check: SignatureCheck): boolean {
  const rule = ruleOf(check.algorithm);
  const { byteLength } = check.signature;
  if (!rule.keyFits(imported) || !rule.signatureFits(imported, byteLength)) return false;
  const { key } = imported;
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
        keyFits: (key) => key.type === 'ed25519',
        signatureFits: (_key, byteLength) => byteLength === 64,
        options: {},
      };
    default:
      return unreachable(algorithm);
  }
}

function onCurve(curve: string): (key: ImportedKey) => boolean {
  return (key) => key.type === 'ec' && key.curve === curve;
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
    keyFits: (key) => key.type === 'rsa' && rsaSizeFits(key),
    signatureFits: (key, byteLength) => byteLength * 8 === rsaBits(key),
    options,
  };
}

function rsaBits({ modulusBits = 0 }: ImportedKey): number {
  return Math.ceil(modulusBits / 8) * 8;
}

function rsaSizeFits({ modulusBits: bits = 0, exponent = 0n }: ImportedKey): boolean {
  return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && exponent <= RSA_EXPONENT_MAX;
}
