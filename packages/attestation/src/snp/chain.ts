/**
 * The certificate chain of a report: ARK, then ASK or ASVK, then VCEK or VLEK, with revocation.
 * Rows 5 to 8 of the order of checks.
 */
import { bytesEqual } from '@witan/core';
import { AttestationError, type AttestationErrorCode } from '../errors.ts';
import type { CheckList } from '../check-list.ts';
import {
  certificateFingerprint,
  isValidAt,
  parseCertificate,
  type Certificate,
  type IsSignedBy,
} from '../x509/certificate.ts';
import { EXTENSION_OID, KEY_USAGE, unknownCritical } from '../x509/extension.ts';
import {
  parseCrlHead,
  readRevokedSerials,
  type CertificateRevocationList,
  type CrlHead,
} from '../x509/crl.ts';
import type { SnpGenuineOptions } from './options.ts';
import type { SnpProduct } from './product.ts';
import type { SnpSigner } from './claims.ts';
import { readVekExtensions, type VekExtensions } from './vek.ts';

/** The certificates of a chain; parsed, not yet verified. */
export interface SnpChain {
  readonly root: Certificate;
  readonly intermediate: Certificate;
  readonly vek: Certificate;
}

/** A root that was found among the accepted ones. */
export interface AcceptedRoot {
  readonly fingerprint: string;
  readonly simulated: boolean;
}

const CA_MODULUS_BITS = 4096;

/** Extensions whose meaning is checked here, or that restrict nothing which matters here. */
const KNOWN_EXTENSIONS: readonly string[] = [
  EXTENSION_OID.basicConstraints,
  EXTENSION_OID.keyUsage,
  EXTENSION_OID.subjectKeyIdentifier,
  EXTENSION_OID.authorityKeyIdentifier,
  EXTENSION_OID.crlDistributionPoints,
];

/**
 * An endorsement that must be there.
 *
 * @throws AttestationError SNP_ENDORSEMENT_MISSING
 */
export function demandEndorsement(name: string, der: Uint8Array | undefined): Uint8Array {
  if (der === undefined) throw new AttestationError('SNP_ENDORSEMENT_MISSING', { expected: name });
  return der;
}

/**
 * Parses one endorsement.
 *
 * @throws AttestationError SNP_ENDORSEMENT_MALFORMED
 */
export function parseEndorsement(name: string, der: Uint8Array): Certificate {
  return wrapped(name, () => parseCertificate(der));
}

/** Row 5: the root is pinned for the product, or is an accepted development root. */
export function checkRoot(
  root: Certificate,
  product: SnpProduct,
  options: SnpGenuineOptions,
  checks: CheckList,
): AcceptedRoot {
  const fingerprint = certificateFingerprint(options.crypto, root.der);
  const pinned = options.roots.production.some(
    (pin) => pin.product === product && pin.sha256 === fingerprint,
  );
  const simulated = !pinned && options.roots.development.includes(fingerprint);
  checks.demand('SNP_ROOT_UNTRUSTED', pinned || simulated, `root of ${product}`, fingerprint);
  return { fingerprint, simulated };
}

/** Row 6: signatures, permissions, keys and validity of both authorities. */
export function checkAuthorities(
  { root, intermediate }: SnpChain,
  isSignedBy: IsSignedBy,
  options: SnpGenuineOptions,
  checks: CheckList,
): void {
  const selfSigned = bytesEqual(root.issuer.der, root.subject.der) && isSignedBy(root, root);
  checks.demand('SNP_ROOT_SIGNATURE', selfSigned);
  demandIssuer('SNP_INTERMEDIATE_ISSUER', intermediate, root, checks);
  checks.demand('SNP_INTERMEDIATE_SIGNATURE', isSignedBy(intermediate, root));
  checks.demand('SNP_CA_CONSTRAINTS', mayIssue(root, 1) && mayIssue(intermediate, 0));
  checks.demand('SNP_CA_KEY', hasCaKey(root) && hasCaKey(intermediate));
  demandKnownExtensions([root, intermediate], checks);
  demandValidity('SNP_CA_VALIDITY', root, options, checks);
  demandValidity('SNP_CA_VALIDITY', intermediate, options, checks);
}

/** Row 7: the endorsement key certificate. Gives its vendor extensions. */
export function checkVek(
  { intermediate, vek }: SnpChain,
  signer: SnpSigner,
  isSignedBy: IsSignedBy,
  options: SnpGenuineOptions,
  checks: CheckList,
): VekExtensions {
  demandIssuer('SNP_VEK_ISSUER', vek, intermediate, checks);
  checks.demand('SNP_VEK_SIGNATURE', isSignedBy(vek, intermediate));
  const { publicKey } = vek;
  checks.demand('SNP_VEK_KEY', publicKey.kind === 'ec' && publicKey.curve === 'p384');
  demandKnownExtensions([vek], checks);
  const extensions = readVekExtensions(vek);
  const identity = vek.subject.commonName ?? '';
  const fits =
    identity === `SEV-${signer}` &&
    (extensions.hardwareId !== undefined) === (signer === 'VCEK') &&
    (extensions.cspId !== undefined) === (signer === 'VLEK');
  checks.demand('SNP_VEK_IDENTITY', fits, `SEV-${signer}`, identity);
  demandValidity('SNP_VEK_VALIDITY', vek, options, checks);
  return extensions;
}

/** Reads all of a revocation list but its entries. */
export function parseCrlEndorsement(der: Uint8Array | undefined): CrlHead | undefined {
  return der === undefined ? undefined : wrapped('crl', () => parseCrlHead(der));
}

/**
 * Row 8: revocation. A list that is there must hold in any case. A missing one is an outcome of its
 * own: the report may be genuine, and options decide whether that is enough.
 *
 * AMD gives every endorsement key the serial number 0, so a list can only take out an authority.
 */
export function checkRevocation(
  { root, intermediate }: SnpChain,
  head: CrlHead | CertificateRevocationList | undefined,
  isSignedBy: IsSignedBy,
  options: SnpGenuineOptions,
  checks: CheckList,
): CertificateRevocationList | undefined {
  if (head === undefined) {
    if (options.revocation === 'required') checks.judge('SNP_CRL_MISSING', false, 'crl', 'none');
    checks.note('revocation-unknown', 'no revocation list came with the evidence');
    return undefined;
  }
  checks.demand(
    'SNP_CRL_ISSUER',
    bytesEqual(head.issuer.der, root.subject.der),
    root.subject.commonName ?? '',
    head.issuer.commonName ?? '',
  );
  checks.demand('SNP_CRL_SIGNATURE', isSignedBy(head, root));
  const crl = complete(head);
  const fresh = crl.thisUpdate <= options.now && options.now <= crl.nextUpdate;
  checks.demand(
    'SNP_CRL_VALIDITY',
    fresh,
    `${crl.thisUpdate} to ${crl.nextUpdate} ms`,
    `${options.now} ms`,
  );
  const revoked = [root, intermediate].filter(({ serial }) => crl.revokedSerials.has(serial));
  const found = revoked.map(({ serial }) => serial).join(', ');
  checks.demand('SNP_CA_REVOKED', revoked.length === 0, 'none listed', found || 'none listed');
  return crl;
}

function complete(head: CrlHead | CertificateRevocationList): CertificateRevocationList {
  if ('revokedSerials' in head) return head;
  return { ...head, revokedSerials: wrapped('crl', () => readRevokedSerials(head)) };
}

/** `following` is the number of authorities that stand below this one in the chain. */
function mayIssue(certificate: Certificate, following: number): boolean {
  const constraints = certificate.basicConstraints;
  if (constraints === undefined || !constraints.ca) return false;
  if ((constraints.pathLength ?? following) < following) return false;
  return certificate.keyUsage === undefined || (certificate.keyUsage & KEY_USAGE.keyCertSign) !== 0;
}

function hasCaKey({ publicKey }: Certificate): boolean {
  return publicKey.kind === 'rsa' && publicKey.modulusBits === CA_MODULUS_BITS;
}

function demandIssuer(
  code: AttestationErrorCode,
  certificate: Certificate,
  issuer: Certificate,
  checks: CheckList,
): void {
  checks.demand(
    code,
    bytesEqual(certificate.issuer.der, issuer.subject.der),
    issuer.subject.commonName ?? '',
    certificate.issuer.commonName ?? '',
  );
}

function demandKnownExtensions(certificates: readonly Certificate[], checks: CheckList): void {
  const unknown = certificates
    .map(({ extensions }) => unknownCritical(extensions, KNOWN_EXTENSIONS))
    .find((oid) => oid !== undefined);
  checks.demand('SNP_CERTIFICATE_EXTENSION', unknown === undefined, 'none', unknown ?? 'none');
}

function demandValidity(
  code: AttestationErrorCode,
  certificate: Certificate,
  { now }: SnpGenuineOptions,
  checks: CheckList,
): void {
  const { notBefore, notAfter } = certificate;
  const expected = `${notBefore} to ${notAfter} ms`;
  checks.demand(code, isValidAt(certificate, now), expected, `${now} ms`);
}

function wrapped<Result>(endorsement: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    throw new AttestationError(
      'SNP_ENDORSEMENT_MALFORMED',
      { endorsement, reason: error.code },
      error,
    );
  }
}
