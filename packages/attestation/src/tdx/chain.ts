/**
 * The PCK chain of a quote, its revocation lists, and the signers of Intel's documents: parts B
 * and C of the order of checks.
 */
import { BytesError, bytesEqual, fromUtf8 } from '@witan/core';
import { AttestationError, type AttestationErrorCode } from '../errors.ts';
import type { CheckList } from '../check-list.ts';
import { PEM_BYTES_MAX } from '../limits.ts';
import {
  certificateFingerprint,
  isSignedBy,
  isValidAt,
  parseCertificate,
  type Certificate,
} from '../x509/certificate.ts';
import { parseCrlHead, readRevokedSerials, type CertificateRevocationList } from '../x509/crl.ts';
import { EXTENSION_OID, KEY_USAGE, unknownCritical } from '../x509/extension.ts';
import { parsePemCertificates } from '../x509/pem.ts';
import type { TdxGenuineOptions } from './options.ts';

/** PCK certificate, its authority, and the root; parsed, not yet verified. */
export interface PckChain {
  readonly root: Certificate;
  readonly authority: Certificate;
  readonly pck: Certificate;
}

/** A root that was found among the accepted ones. */
export interface AcceptedTdxRoot {
  readonly fingerprint: string;
  readonly simulated: boolean;
}

const ROOT_NAME = 'Intel SGX Root CA';
const AUTHORITY_NAMES: readonly string[] = [
  'Intel SGX PCK Platform CA',
  'Intel SGX PCK Processor CA',
];
const PCK_NAME = 'Intel SGX PCK Certificate';
const TCB_SIGNER_NAME = 'Intel SGX TCB Signing';

/** Extensions that restrict nothing which is not checked here. */
const KNOWN_EXTENSIONS: readonly string[] = [
  EXTENSION_OID.basicConstraints,
  EXTENSION_OID.keyUsage,
  EXTENSION_OID.subjectKeyIdentifier,
  EXTENSION_OID.authorityKeyIdentifier,
  EXTENSION_OID.crlDistributionPoints,
];

/**
 * Takes exactly three certificates from the quote, ordered by who issued whom.
 *
 * @throws AttestationError TDX_PCK_CHAIN
 */
export function readPckChain(pem: Uint8Array): PckChain {
  const certificates = wrapped('TDX_PCK_CHAIN', 'pckChain', () => parseChain(pem));
  if (certificates.length !== 3) {
    throw new AttestationError('TDX_PCK_CHAIN', { expected: 3, found: certificates.length });
  }
  const root = certificates.find(({ issuer, subject }) => bytesEqual(issuer.der, subject.der));
  const authority = certificates.find((each) => each !== root && isIssuedBy(each, root));
  const pck = certificates.find((each) => each !== root && each !== authority);
  if (root === undefined || authority === undefined || pck === undefined) {
    throw new AttestationError('TDX_PCK_CHAIN', { expected: 'root, authority and PCK' });
  }
  return { root, authority, pck };
}

/** Rows 1 and 2. */
export function checkPckChain(
  chain: PckChain,
  options: TdxGenuineOptions,
  checks: CheckList,
): AcceptedTdxRoot {
  const { root, authority, pck } = chain;
  const { crypto, now } = options;
  const fingerprint = certificateFingerprint(crypto, root.der);
  const pinned = options.roots.production.includes(fingerprint);
  const simulated = !pinned && options.roots.development.includes(fingerprint);
  checks.demand('TDX_ROOT_UNTRUSTED', pinned || simulated, 'an accepted root', fingerprint);
  const names =
    root.subject.commonName === ROOT_NAME &&
    AUTHORITY_NAMES.includes(authority.subject.commonName ?? '') &&
    pck.subject.commonName === PCK_NAME;
  checks.demand('TDX_CHAIN_NAMES', names, PCK_NAME, pck.subject.commonName ?? 'none');
  const signed =
    isIssuedBy(pck, authority) &&
    isSignedBy(root, root, crypto) &&
    isSignedBy(authority, root, crypto) &&
    isSignedBy(pck, authority, crypto);
  checks.demand('TDX_CHAIN_SIGNATURE', signed);
  checks.demand(
    'TDX_CA_CONSTRAINTS',
    mayIssue(root, 1) && mayIssue(authority, 0) && pck.basicConstraints?.ca !== true,
  );
  checks.demand('TDX_CHAIN_KEY', [root, authority, pck].every(hasP256Key), 'ec p256');
  demandKnownExtensions([root, authority, pck], checks);
  for (const certificate of [root, authority]) {
    checks.demand(
      'TDX_CA_VALIDITY',
      isValidAt(certificate, now),
      validityOf(certificate),
      `${now} ms`,
    );
  }
  checks.demand('TDX_PCK_VALIDITY', isValidAt(pck, now), validityOf(pck), `${now} ms`);
  return { fingerprint, simulated };
}

/** Rows 3 and 4: a revocation list of the given issuer. */
export function checkCrl(
  name: 'rootCrl' | 'pckCrl',
  der: Uint8Array | undefined,
  issuer: Certificate,
  options: TdxGenuineOptions,
  checks: CheckList,
): CertificateRevocationList {
  const present = required(name, der);
  const head = wrapped('TDX_COLLATERAL_MALFORMED', name, () => parseCrlHead(present));
  checks.demand(
    'TDX_CRL_ISSUER',
    bytesEqual(head.issuer.der, issuer.subject.der),
    issuer.subject.commonName ?? '',
    head.issuer.commonName ?? '',
  );
  checks.demand('TDX_CRL_SIGNATURE', isSignedBy(head, issuer, options.crypto), name);
  const crl: CertificateRevocationList = {
    ...head,
    revokedSerials: wrapped('TDX_COLLATERAL_MALFORMED', name, () => readRevokedSerials(head)),
  };
  const { now } = options;
  checks.demand(
    'TDX_CRL_VALIDITY',
    crl.thisUpdate <= now && now <= crl.nextUpdate,
    `${crl.thisUpdate} to ${crl.nextUpdate} ms`,
    `${now} ms`,
  );
  return crl;
}

/** Row 5: the certificate that signs Intel's documents, directly under the root. */
export function checkTcbSigner(
  name: string,
  pem: Uint8Array | undefined,
  root: Certificate,
  rootCrl: CertificateRevocationList,
  options: TdxGenuineOptions,
  checks: CheckList,
): Certificate {
  const present = required(name, pem);
  const chain = wrapped('TDX_COLLATERAL_MALFORMED', name, () => parseChain(present));
  const signer = chain.find(({ subject }) => subject.commonName === TCB_SIGNER_NAME);
  if (signer === undefined) {
    checks.demand('TDX_TCB_SIGNER', false, TCB_SIGNER_NAME, chain[0]?.subject.commonName ?? 'none');
    throw new AttestationError('TDX_TCB_SIGNER');
  }
  const underRoot = isIssuedBy(signer, root) && isSignedBy(signer, root, options.crypto);
  checks.demand('TDX_TCB_SIGNER', underRoot && hasP256Key(signer), 'signed by the root', name);
  demandKnownExtensions([signer], checks);
  const { now } = options;
  const valid = isValidAt(signer, now);
  checks.demand('TDX_TCB_SIGNER_VALIDITY', valid, validityOf(signer), `${now} ms`);
  const revoked = rootCrl.revokedSerials.has(signer.serial);
  checks.demand('TDX_TCB_SIGNER_REVOKED', !revoked, 'not listed', signer.serial);
  return signer;
}

/**
 * An endorsement that must be there.
 *
 * @throws AttestationError TDX_COLLATERAL_MISSING
 */
export function required(name: string, bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new AttestationError('TDX_COLLATERAL_MISSING', { expected: name });
  return bytes;
}

function parseChain(pem: Uint8Array): readonly Certificate[] {
  if (pem.byteLength > PEM_BYTES_MAX) {
    throw new AttestationError('PEM_TOO_LARGE', { unit: 'bytes', expected: PEM_BYTES_MAX });
  }
  return parsePemCertificates(textOf(pem)).map(parseCertificate);
}

function textOf(pem: Uint8Array): string {
  try {
    return fromUtf8(pem);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    throw new AttestationError('PEM_MALFORMED', { what: 'text' }, error);
  }
}

function isIssuedBy(certificate: Certificate, issuer: Certificate | undefined): boolean {
  return issuer !== undefined && bytesEqual(certificate.issuer.der, issuer.subject.der);
}

function mayIssue({ basicConstraints, keyUsage }: Certificate, following: number): boolean {
  if (basicConstraints === undefined || !basicConstraints.ca) return false;
  if ((basicConstraints.pathLength ?? following) < following) return false;
  return keyUsage === undefined || (keyUsage & KEY_USAGE.keyCertSign) !== 0;
}

function hasP256Key({ publicKey }: Certificate): boolean {
  return publicKey.kind === 'ec' && publicKey.curve === 'p256';
}

function demandKnownExtensions(certificates: readonly Certificate[], checks: CheckList): void {
  const unknown = certificates
    .map(({ extensions }) => unknownCritical(extensions, KNOWN_EXTENSIONS))
    .find((oid) => oid !== undefined);
  checks.demand('TDX_CERTIFICATE_EXTENSION', unknown === undefined, 'none', unknown ?? 'none');
}

function validityOf({ notBefore, notAfter }: Certificate): string {
  return `${notBefore} to ${notAfter} ms`;
}

function wrapped<Result>(
  code: AttestationErrorCode,
  endorsement: string,
  read: () => Result,
): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    throw new AttestationError(code, { endorsement, reason: error.code }, error);
  }
}
