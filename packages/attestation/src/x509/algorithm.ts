/**
 * AlgorithmIdentifier and SubjectPublicKeyInfo (RFC 5280, RFC 4055, RFC 5480, RFC 8410).
 */
import type { SignatureAlgorithm } from '@witan/core';
import { DER_TAG, contextTag, type DerReader } from '../der/reader.ts';
import { readOctetBits, readOid, readSmallInteger } from '../der/values.ts';

const OID = {
  rsaEncryption: '1.2.840.113549.1.1.1',
  mgf1: '1.2.840.113549.1.1.8',
  rsaPss: '1.2.840.113549.1.1.10',
  rsaSha256: '1.2.840.113549.1.1.11',
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  p384: '1.3.132.0.34',
  ecdsaSha256: '1.2.840.10045.4.3.2',
  ecdsaSha384: '1.2.840.10045.4.3.3',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  ed25519: '1.3.101.112',
} as const;

/** The salt length is that of the hash, and MGF1 uses the same hash; nothing else is supported. */
const PSS_HASHES: Readonly<Record<string, { readonly hash: 'sha256' | 'sha384'; salt: number }>> = {
  [OID.sha256]: { hash: 'sha256', salt: 32 },
  [OID.sha384]: { hash: 'sha384', salt: 48 },
};

/** How a certificate or list was signed; `unsupported` names the OID. */
export type CertificateSignature =
  | { readonly kind: 'ecdsa'; readonly hash: 'sha256' | 'sha384' }
  | { readonly kind: 'rsa-pss'; readonly hash: 'sha256' | 'sha384' }
  | { readonly kind: 'rsa-pkcs1'; readonly hash: 'sha256' }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'unsupported'; readonly oid: string };

/** What kind of public key a certificate holds. */
export type PublicKeyKind =
  | { readonly kind: 'ec'; readonly curve: 'p256' | 'p384' }
  | { readonly kind: 'rsa'; readonly modulusBits: number }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'unsupported'; readonly oid: string };

/** Reads an AlgorithmIdentifier of a signature. */
export function readSignatureAlgorithm(reader: DerReader): CertificateSignature {
  const inner = reader.sequence();
  const oid = readOid(inner);
  switch (oid) {
    case OID.ecdsaSha256:
    case OID.ecdsaSha384: {
      inner.end();
      return { kind: 'ecdsa', hash: oid === OID.ecdsaSha256 ? 'sha256' : 'sha384' };
    }
    case OID.ed25519: {
      inner.end();
      return { kind: 'ed25519' };
    }
    case OID.rsaSha256: {
      inner.value(DER_TAG.null);
      inner.end();
      return { kind: 'rsa-pkcs1', hash: 'sha256' };
    }
    case OID.rsaPss: {
      const signature = readPssParameters(inner.sequence());
      inner.end();
      return signature;
    }
    default:
      return { kind: 'unsupported', oid };
  }
}

/** The port's algorithm that checks such a signature, or undefined if `key` does not fit it. */
export function signatureAlgorithmFor(
  signature: CertificateSignature,
  key: PublicKeyKind,
): SignatureAlgorithm | undefined {
  switch (signature.kind) {
    case 'ecdsa': {
      if (key.kind !== 'ec') return undefined;
      if (key.curve === 'p256' && signature.hash === 'sha256') return 'ecdsa-p256-sha256-der';
      if (key.curve === 'p384' && signature.hash === 'sha384') return 'ecdsa-p384-sha384-der';
      return undefined;
    }
    case 'rsa-pss': {
      if (key.kind !== 'rsa') return undefined;
      return signature.hash === 'sha256' ? 'rsa-pss-sha256' : 'rsa-pss-sha384';
    }
    case 'rsa-pkcs1':
      return key.kind === 'rsa' ? 'rsa-pkcs1-sha256' : undefined;
    case 'ed25519':
      return key.kind === 'ed25519' ? 'ed25519' : undefined;
    case 'unsupported':
      return undefined;
  }
}

/** Reads a SubjectPublicKeyInfo and says what key it holds. */
export function readPublicKeyKind(reader: DerReader): PublicKeyKind {
  const inner = reader.sequence();
  const algorithm = inner.sequence();
  const oid = readOid(algorithm);
  const kind = readKind(oid, algorithm, inner);
  inner.end();
  return kind;
}

function readKind(oid: string, algorithm: DerReader, key: DerReader): PublicKeyKind {
  switch (oid) {
    case OID.ecPublicKey: {
      if (algorithm.peek() !== DER_TAG.oid) break;
      const curve = readOid(algorithm);
      algorithm.end();
      readOctetBits(key);
      if (curve === OID.p256) return { kind: 'ec', curve: 'p256' };
      if (curve === OID.p384) return { kind: 'ec', curve: 'p384' };
      return { kind: 'unsupported', oid: curve };
    }
    case OID.rsaEncryption: {
      algorithm.value(DER_TAG.null);
      algorithm.end();
      return { kind: 'rsa', modulusBits: readModulusBits(key) };
    }
    case OID.ed25519: {
      algorithm.end();
      readOctetBits(key);
      return { kind: 'ed25519' };
    }
    default:
      break;
  }
  readOctetBits(key);
  return { kind: 'unsupported', oid };
}

function readModulusBits(key: DerReader): number {
  const inner = key.within(readOctetBits(key)).sequence();
  const { content: modulus } = inner.value(DER_TAG.integer);
  inner.value(DER_TAG.integer);
  inner.end();
  const significant = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  const first = significant[0];
  return first === undefined ? 0 : (significant.byteLength - 1) * 8 + 32 - Math.clz32(first);
}

/** RSASSA-PSS-params (RFC 4055 section 3.1). An explicit trailerField 1 is accepted: AMD has it. */
function readPssParameters(parameters: DerReader): CertificateSignature {
  const unsupported = { kind: 'unsupported', oid: OID.rsaPss } as const;
  const hashReader = parameters.optionalInside(contextTag(0));
  const maskReader = parameters.optionalInside(contextTag(1));
  const saltReader = parameters.optionalInside(contextTag(2));
  const trailerReader = parameters.optionalInside(contextTag(3));
  parameters.end();
  // A missing part means SHA-1 or a salt of 20 bytes: both unsupported.
  if (hashReader === undefined || maskReader === undefined || saltReader === undefined) {
    return unsupported;
  }
  const hash = PSS_HASHES[readHashOid(hashReader)];
  const mask = maskReader.sequence();
  const maskOid = readOid(mask);
  if (hash === undefined || maskOid !== OID.mgf1) return unsupported;
  const maskHash = PSS_HASHES[readHashOid(mask)];
  maskReader.end();
  const salt = readSmallInteger(saltReader, 0xffff);
  saltReader.end();
  const trailer = trailerReader === undefined ? 1 : readSmallInteger(trailerReader, 0xffff);
  trailerReader?.end();
  if (maskHash !== hash || salt !== hash.salt || trailer !== 1) return unsupported;
  return { kind: 'rsa-pss', hash: hash.hash };
}

function readHashOid(reader: DerReader): string {
  const inner = reader.sequence();
  const oid = readOid(inner);
  inner.optional(DER_TAG.null);
  inner.end();
  reader.end();
  return oid;
}
