/**
 * Reads certificates twice: by OpenSSL, whose verdict counts, and by the schemas of
 * @peculiar/asn1-x509 for the parts that node:crypto does not give as bytes.
 */
import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import { KeysError } from './errors.ts';

/** Largest certificate that is read, in bytes. */
const CERTIFICATE_BYTES_MAX = 64 * 1024;
const SEQUENCE = 0x30;

/** A certificate as both readers give it. */
export interface ReadCertificate {
  readonly certificate: X509Certificate;
  readonly parts: Certificate['tbsCertificate'];
}

/** @throws KeysError KEYS_CERTIFICATE_UNREADABLE */
export function readCertificate(certificateDer: Uint8Array): ReadCertificate {
  try {
    // Both readers would take PEM as well; one form is enough.
    if (certificateDer[0] !== SEQUENCE || certificateDer.byteLength > CERTIFICATE_BYTES_MAX) {
      throw new TypeError('not a DER SEQUENCE of an acceptable length');
    }
    const der = Uint8Array.from(certificateDer);
    const certificate = new X509Certificate(der);
    return { certificate, parts: AsnConvert.parse(der, Certificate).tbsCertificate };
  } catch (cause) {
    throw new KeysError('KEYS_CERTIFICATE_UNREADABLE', 'bytes are not a DER certificate', {
      fields: { byteLength: certificateDer.byteLength },
      cause,
    });
  }
}

/** The key of a certificate, DER SubjectPublicKeyInfo, with its point spelled as it is there. */
export function spkiOfCertificate({ publicKey }: X509Certificate): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
}
