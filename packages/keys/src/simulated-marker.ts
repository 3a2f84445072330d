/**
 * The visible mark of certificates in a cluster whose evidence comes from the simulated TEE (I11):
 * the organization name, which people see in every certificate viewer, and a non-critical
 * extension, which programs find.
 *
 * The extension's identifier is 2.25 (ITU-T X.667: an arc anybody owns by UUID) and the UUID
 * 65f7cf38-d6b8-4aee-9375-607251aa0747 as a decimal number. Its value is a UTF8String.
 */
import { AsnConvert } from '@peculiar/asn1-schema';
import { Extension } from '@peculiar/asn1-x509';
import { ORGANIZATION_OID, SIMULATED_EXTENSION } from './certificate-parts.ts';
import { SIMULATED_ORGANIZATION } from './marker-names.ts';
import { readCertificate, type ReadCertificate } from './read-certificate.ts';

// As the library spells what it reads: an arc of 128 bits is not decimal there.
const MARK = AsnConvert.parse(SIMULATED_EXTENSION, Extension).extnID;

/**
 * Whether a certificate says that its cluster uses the simulated TEE, by either mark.
 *
 * @throws KeysError KEYS_CERTIFICATE_UNREADABLE
 */
export function isSimulatedCertificate(certificateDer: Uint8Array): boolean {
  return marks(readCertificate(certificateDer));
}

/** The same of a certificate that was read. */
export function marks({ parts }: ReadCertificate): boolean {
  const attributes = parts.subject.flatMap((names) => [...names]);
  return (
    (parts.extensions ?? []).some(({ extnID }) => extnID === MARK) ||
    attributes.some(
      ({ type, value }) => type === ORGANIZATION_OID && value.toString() === SIMULATED_ORGANIZATION,
    )
  );
}
