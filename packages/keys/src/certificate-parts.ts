/**
 * Parts of certificates: names and extensions with the criticality that RFC 5280 asks for.
 * Internal: its types are those of @peculiar/x509 and must not show in this package's interface.
 */
import { createHash } from 'node:crypto';
import { concatBytes, toHex, utf8 } from '@witan/core';
import { KeysError } from './errors.ts';
import { ORGANIZATION, SIMULATED_ORGANIZATION, SIMULATED_TEE_OID } from './marker-names.ts';
import { x509 } from './x509.ts';

// Made once: about a sixth of the time to issue a leaf is the encoding of extensions.
const SIMULATED: x509.Extension = makeSimulatedExtension();
const TLS: readonly x509.Extension[] = [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  new x509.ExtendedKeyUsageExtension([
    x509.ExtendedKeyUsage.serverAuth,
    x509.ExtendedKeyUsage.clientAuth,
  ]),
];

function makeSimulatedExtension(): x509.Extension {
  const text = utf8('simulated TEE: no hardware protects this cluster');
  // UTF8String with a one-byte length (X.690 section 8.1.3.4).
  const value = concatBytes(new Uint8Array([0x0c, text.byteLength]), text);
  return new x509.Extension(SIMULATED_TEE_OID, false, value);
}

/** The marker's extension. */
export function simulatedExtension(): x509.Extension {
  return SIMULATED;
}

/** Extensions of a certificate for TLS clients and servers that may sign nothing else. */
export function tlsExtensions(): readonly x509.Extension[] {
  return TLS;
}

/**
 * Extensions of a CA certificate.
 *
 * @param pathLength CAs that may follow below; undefined sets no limit
 */
export function caExtensions(pathLength: number | undefined): readonly x509.Extension[] {
  const usages = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(usages, true),
  ];
}

/** Key identifiers of subject and issuer, in hex. */
export function keyIdentifiers(
  subjectKeyId: string,
  issuerKeyId: string,
): readonly x509.Extension[] {
  return [
    new x509.SubjectKeyIdentifierExtension(subjectKeyId),
    new x509.AuthorityKeyIdentifierExtension(issuerKeyId),
  ];
}

/** The leftmost 160 bits of SHA-256 of the public key bits (RFC 7093 section 2, method 1). */
export function keyIdOf(p256Spki: Uint8Array): string {
  const point = p256Spki.subarray(-65);
  return toHex(createHash('sha256').update(point).digest().subarray(0, 20));
}

/** A subject, with the organization that tells whether the cluster is simulated (I11). */
export function subjectName(commonName: string, simulated: boolean): x509.Name {
  const organization = simulated ? SIMULATED_ORGANIZATION : ORGANIZATION;
  return new x509.Name([{ O: [organization] }, { CN: [commonName] }]);
}

/** Parses a certificate. @throws KeysError KEYS_CERTIFICATE_UNREADABLE */
export function parseCertificate(certificateDer: Uint8Array): x509.X509Certificate {
  try {
    // Both parsers would take PEM as well; one form is enough.
    if (certificateDer[0] !== 0x30) throw new TypeError('not a DER SEQUENCE');
    return new x509.X509Certificate(Uint8Array.from(certificateDer));
  } catch (cause) {
    throw new KeysError('KEYS_CERTIFICATE_UNREADABLE', 'bytes are not a DER certificate', {
      fields: { byteLength: certificateDer.byteLength },
      cause,
    });
  }
}
