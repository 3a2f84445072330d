/**
 * Checks of the cluster's certificates with node:crypto. A chain here has exactly three links, so
 * it
 * is checked link by link and needs no path building.
 */
import { X509Certificate } from 'node:crypto';
import { bytesEqual, type UnixMillis } from '@witan/core';
import { ClientError } from './errors.ts';

/** Largest certificate that is parsed, in bytes: 64 names of 253 characters, and the rest. */
const CERTIFICATE_BYTES_MAX = 32 * 1024;

/** @throws ClientError CLIENT_CERTIFICATE_INVALID */
export function readCertificate(what: string, der: Uint8Array): X509Certificate {
  if (der.byteLength > CERTIFICATE_BYTES_MAX) {
    throw invalid(what, `at most ${CERTIFICATE_BYTES_MAX} bytes`, String(der.byteLength));
  }
  try {
    // Node would take PEM as well; one form is enough.
    if (der[0] !== 0x30) throw new TypeError('not a DER SEQUENCE');
    const certificate = new X509Certificate(der);
    if (!bytesEqual(certificate.raw, der)) throw new TypeError('bytes behind the certificate');
    return certificate;
  } catch (cause) {
    throw invalid(what, 'a DER certificate', `${der.byteLength} other bytes`, cause);
  }
}

/**
 * Checks root and mesh CA.
 *
 * @throws ClientError CLIENT_CERTIFICATE_INVALID
 */
export function checkAuthorities(
  rootDer: Uint8Array,
  meshCaDer: Uint8Array,
  now: UnixMillis,
): { readonly root: X509Certificate; readonly meshCa: X509Certificate } {
  const root = readCertificate('root certificate', rootDer);
  const meshCa = readCertificate('mesh CA certificate', meshCaDer);
  checkLink('root certificate', root, root, now);
  checkLink('mesh CA certificate', meshCa, root, now);
  if (!root.ca || !meshCa.ca) throw invalid('CA certificates', 'the right to issue', 'none');
  return { root, meshCa };
}

/** @throws ClientError CLIENT_CERTIFICATE_INVALID */
export function checkLink(
  what: string,
  certificate: X509Certificate,
  issuer: X509Certificate,
  now: UnixMillis,
): void {
  if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
    throw invalid(what, `issued by ${oneLine(issuer.subject)}`, oneLine(certificate.issuer));
  }
  const { validFromDate, validToDate } = certificate;
  if (now < validFromDate.getTime() || now > validToDate.getTime()) {
    const found = `${validFromDate.toISOString()} to ${validToDate.toISOString()}`;
    throw invalid(what, 'valid now', found);
  }
}

/** Subject alternative names by kind, as Node prints them. */
export interface AlternativeNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
}

/**
 * Node quotes names that hold a comma, so nothing that could be confused gets past the comparison
 * with a manifest's names, which hold none.
 */
export function alternativeNamesOf(certificate: X509Certificate): AlternativeNames {
  const items = (certificate.subjectAltName ?? '').split(', ');
  const of = (prefix: string): readonly string[] =>
    items.filter((item) => item.startsWith(prefix)).map((item) => item.slice(prefix.length));
  return { dnsNames: of('DNS:'), ipAddresses: of('IP Address:'), uris: of('URI:') };
}

export function invalid(
  what: string,
  expected: string,
  found: string,
  cause?: unknown,
): ClientError {
  const fields = { certificate: what, expected, found };
  return new ClientError('CLIENT_CERTIFICATE_INVALID', fields, cause);
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
