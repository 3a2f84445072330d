/**
 * X.509 version 3 certificates (RFC 5280), read strictly and without any trust decision.
 *
 * Used for AMD's chains and to take the key out of the self-signed certificates of the attested
 * channel.
 */
import { bytesEqual, toHex, type Crypto, type UnixMillis } from '@witan/core';
import { AttestationError, type AttestationErrorCode } from '../errors.ts';
import { CERTIFICATE_BYTES_MAX } from '../limits.ts';
import { DER_TAG, contextTag, readWhole, type DerReader } from '../der/reader.ts';
import { readOctetBits, readSmallInteger, readTime, readUnsignedHex } from '../der/values.ts';
import {
  readPublicKeyKind,
  readSignatureAlgorithm,
  signatureAlgorithmFor,
  type CertificateSignature,
  type PublicKeyKind,
} from './algorithm.ts';
import { readName, type DistinguishedName } from './name.ts';
import {
  basicConstraintsOf,
  keyUsageOf,
  readExtensions,
  type BasicConstraints,
  type Extensions,
} from './extension.ts';

/** Something signed: certificate or revocation list. */
export interface SignedObject {
  /** The signed bytes. */
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: CertificateSignature;
  readonly signature: Uint8Array;
}

/** A certificate. All byte strings are views of `der`. */
export interface Certificate extends SignedObject {
  readonly der: Uint8Array;
  /** Serial number in hex without leading zero bytes. */
  readonly serial: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly notBefore: UnixMillis;
  readonly notAfter: UnixMillis;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly publicKey: PublicKeyKind;
  readonly basicConstraints: BasicConstraints | undefined;
  /** Bits of keyUsage; see `KEY_USAGE`. */
  readonly keyUsage: number | undefined;
  readonly extensions: Extensions;
}

const VERSION_3 = 2;

/**
 * Reads a DER certificate of at most `CERTIFICATE_BYTES_MAX` bytes.
 *
 * @throws AttestationError X509_TOO_LARGE, X509_DUPLICATE_EXTENSION, or X509_MALFORMED with the
 *   DER error as its cause
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.byteLength > CERTIFICATE_BYTES_MAX) {
    throw new AttestationError('X509_TOO_LARGE', {
      expected: CERTIFICATE_BYTES_MAX,
      found: der.byteLength,
    });
  }
  return rethrowAs('X509_MALFORMED', () =>
    readWhole(der, (outer) => readCertificate(der, outer.sequence())),
  );
}

/** SHA-256 of the DER certificate as lower-case hex. */
export function certificateFingerprint(crypto: Crypto, der: Uint8Array): string {
  return toHex(crypto.hash('sha256', der));
}

/**
 * Whether `issuer`'s key signed `object`. Says nothing about names, validity or permission.
 */
export function isSignedBy(
  object: SignedObject,
  issuer: Pick<Certificate, 'spki' | 'publicKey'>,
  crypto: Crypto,
): boolean {
  const algorithm = signatureAlgorithmFor(object.signatureAlgorithm, issuer.publicKey);
  if (algorithm === undefined) return false;
  return crypto.verify({
    algorithm,
    publicKey: issuer.spki,
    data: object.tbs,
    signature: object.signature,
  });
}

/** `isSignedBy` with its crypto, or with what is already known. */
export type IsSignedBy = (
  object: SignedObject,
  issuer: Pick<Certificate, 'spki' | 'publicKey'>,
) => boolean;

/** Whether `now` lies within the validity of the certificate, both ends included. */
export function isValidAt(
  certificate: Pick<Certificate, 'notBefore' | 'notAfter'>,
  now: UnixMillis,
): boolean {
  return certificate.notBefore <= now && now <= certificate.notAfter;
}

/** Runs a reader and gives whatever DER error it throws the code of the whole object. */
export function rethrowAs<Result>(code: AttestationErrorCode, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AttestationError) || !error.code.startsWith('DER_')) throw error;
    throw new AttestationError(code, error.fields, error);
  }
}

/** Reads the parts of a SIGNED value after its first, and checks that both algorithms agree. */
export function readSignature(
  outer: DerReader,
  tbs: Uint8Array,
  innerAlgorithm: Uint8Array,
): SignedObject {
  const algorithm = outer.value(DER_TAG.sequence).raw;
  if (!bytesEqual(algorithm, innerAlgorithm)) {
    throw new AttestationError('DER_MALFORMED', { what: 'signature algorithms differ' });
  }
  const signatureAlgorithm = readWhole(algorithm, readSignatureAlgorithm, 1);
  const signature = readOctetBits(outer);
  outer.end();
  return { tbs, signatureAlgorithm, signature };
}

function readCertificate(der: Uint8Array, outer: DerReader): Certificate {
  const tbsValue = outer.value(DER_TAG.sequence);
  const tbs = outer.within(tbsValue.content);
  const version = tbs.inside(contextTag(0));
  if (readSmallInteger(version, 255) !== VERSION_3) {
    throw new AttestationError('DER_MALFORMED', { what: 'certificate version' });
  }
  version.end();
  const serial = readUnsignedHex(tbs);
  const algorithm = tbs.value(DER_TAG.sequence).raw;
  const issuer = readName(tbs);
  const validity = tbs.sequence();
  const notBefore = readTime(validity);
  const notAfter = readTime(validity);
  validity.end();
  const subject = readName(tbs);
  const spki = tbs.value(DER_TAG.sequence).raw;
  const extensionsReader = tbs.optionalInside(contextTag(3));
  tbs.end();
  const extensions = extensionsReader === undefined ? new Map() : readExtensions(extensionsReader);
  extensionsReader?.end();
  return {
    ...readSignature(outer, tbsValue.raw, algorithm),
    der,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    publicKey: readWhole(spki, readPublicKeyKind, 2),
    basicConstraints: basicConstraintsOf(extensions),
    keyUsage: keyUsageOf(extensions),
    extensions,
  };
}
