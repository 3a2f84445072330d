/**
 * The visible mark of certificates in a cluster whose evidence comes from the simulated TEE (I11):
 * the organization name, which people see in every certificate viewer, and a non-critical
 * extension, which programs find.
 *
 * The extension's identifier is 2.25 (ITU-T X.667: an arc anybody owns by UUID) and the UUID
 * 65f7cf38-d6b8-4aee-9375-607251aa0747 as a decimal number. Its value is a UTF8String.
 */
import { bytesEqual } from '@witan/core';
import { ORGANIZATION_OID, SIMULATED_TEE_DER } from './certificate-parts.ts';
import { readCertificate, type ReadCertificate } from './der/certificate.ts';
import { SIMULATED_ORGANIZATION } from './marker-names.ts';

/**
 * Whether a certificate says that its cluster uses the simulated TEE, by either mark.
 *
 * @throws KeysError KEYS_CERTIFICATE_UNREADABLE
 */
export function isSimulatedCertificate(certificateDer: Uint8Array): boolean {
  return marks(readCertificate(certificateDer));
}

/** The same of a certificate that was read. */
export function marks(read: ReadCertificate): boolean {
  return (
    read.extensionIds.some((id) => bytesEqual(id, SIMULATED_TEE_DER)) ||
    read.subjectValues(ORGANIZATION_OID).includes(SIMULATED_ORGANIZATION)
  );
}
