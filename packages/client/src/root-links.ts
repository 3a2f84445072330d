/**
 * Following a root that was rotated. Each link is the later root's key, signed by the earlier root,
 * so whoever pinned any root of the past gets to the one in use without trusting anybody else.
 */
import type { X509Certificate } from 'node:crypto';
import { bytesEqual } from '@witan/core';
import { spkiOf } from '@witan/keys';
import type { RootLink as WireLink } from '@witan/protocol';
import { readCertificate } from './certificates.ts';

/** Most links that are followed; a cluster makes one with each rotation of its root. */
const LINKS_MAX = 4096;

/** From one root to the next, DER. */
export interface RootLink {
  readonly certificate: Uint8Array;
  readonly cross: Uint8Array;
}

export function rootLinksFromWire(wire: readonly WireLink[]): readonly RootLink[] {
  return wire
    .slice(0, LINKS_MAX)
    .map(({ certificate, crossCertificate: cross }) => ({ certificate, cross }));
}

/**
 * Whether links lead from a pinned root to another one.
 *
 * @throws ClientError CLIENT_CERTIFICATE_INVALID for bytes that are no certificates
 */
export function leadsTo(
  pinned: Uint8Array,
  found: Uint8Array,
  links: readonly RootLink[],
): boolean {
  let at = pinned;
  for (const { certificate, cross } of links) {
    if (bytesEqual(at, found)) return true;
    const from = readCertificate('pinned root certificate', at);
    const later = readCertificate('later root certificate', certificate);
    const link = readCertificate('link between roots', cross);
    if (isIssuedBy(link, from) && isSelfSigned(later) && haveOneKey(link, later)) at = certificate;
  }
  return bytesEqual(at, found);
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return isIssuedBy(certificate, certificate);
}

function haveOneKey(one: X509Certificate, other: X509Certificate): boolean {
  return (
    one.subject === other.subject && bytesEqual(spkiOf(one.publicKey), spkiOf(other.publicKey))
  );
}
