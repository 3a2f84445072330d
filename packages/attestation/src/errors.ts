/**
 * Every code with which this package refuses something, in one closed table.
 *
 * A code is thrown by the parsers or returned in a verdict; it never changes its meaning. The text
 * here is constant; what was expected and found goes into the fields (invariant I10).
 */
import { CodedError, type ErrorFields } from '@witan/core';

/** The closed union of this package's codes; each is explained in `errors.json`. */
export type AttestationErrorCode =
  | 'DER_MALFORMED'
  | 'DER_LIMIT_EXCEEDED'
  | 'X509_MALFORMED'
  | 'X509_TOO_LARGE'
  | 'X509_DUPLICATE_EXTENSION'
  | 'CRL_MALFORMED'
  | 'CRL_TOO_LARGE'
  | 'PEM_MALFORMED'
  | 'PEM_TOO_LARGE'
  | 'EVIDENCE_MALFORMED'
  | 'EVIDENCE_TOO_LARGE'
  | 'REFERENCE_VALUES_INVALID'
  | 'APPRAISAL_NO_REFERENCE_VALUES'
  | 'APPRAISAL_TEE_MISMATCH'
  | 'SNP_REPORT_LENGTH'
  | 'SNP_REPORT_VERSION'
  | 'SNP_SIGNATURE_ALGORITHM'
  | 'SNP_RESERVED_NOT_ZERO'
  | 'SNP_SIGNATURE_ENCODING'
  | 'SNP_POLICY_RESERVED'
  | 'SNP_SIGNING_KEY'
  | 'SNP_CHIP_KEY_MASKED'
  | 'SNP_KEY_INFO_RESERVED'
  | 'SNP_PRODUCT_UNKNOWN'
  | 'SNP_ENDORSEMENT_MISSING'
  | 'SNP_ENDORSEMENT_MALFORMED'
  | 'SNP_CERTIFICATE_TABLE_MALFORMED'
  | 'SNP_ROOT_UNTRUSTED'
  | 'SNP_ROOT_SIGNATURE'
  | 'SNP_INTERMEDIATE_ISSUER'
  | 'SNP_INTERMEDIATE_SIGNATURE'
  | 'SNP_CA_CONSTRAINTS'
  | 'SNP_CA_KEY'
  | 'SNP_CA_VALIDITY'
  | 'SNP_CERTIFICATE_EXTENSION'
  | 'SNP_VEK_ISSUER'
  | 'SNP_VEK_SIGNATURE'
  | 'SNP_VEK_KEY'
  | 'SNP_VEK_IDENTITY'
  | 'SNP_VEK_EXTENSIONS'
  | 'SNP_VEK_VALIDITY'
  | 'SNP_CRL_MISSING'
  | 'SNP_CRL_ISSUER'
  | 'SNP_CRL_SIGNATURE'
  | 'SNP_CRL_VALIDITY'
  | 'SNP_CA_REVOKED'
  | 'SNP_CHIP_ID'
  | 'SNP_TCB_MISMATCH'
  | 'SNP_PRODUCT_MISMATCH'
  | 'SNP_REPORT_SIGNATURE'
  | 'SNP_DEVELOPMENT_ROOT'
  | 'SNP_PRODUCT_NOT_ALLOWED'
  | 'SNP_SIGNER_NOT_ALLOWED'
  | 'SNP_TCB_ORDER'
  | 'SNP_FIRMWARE_PROVISIONAL'
  | 'SNP_TCB_BELOW_MINIMUM'
  | 'SNP_POLICY_DEBUG'
  | 'SNP_POLICY_MIGRATION'
  | 'SNP_POLICY_DEMAND'
  | 'SNP_PLATFORM_INFO'
  | 'SNP_MITIGATIONS'
  | 'SNP_VMPL'
  | 'SNP_MEASUREMENT'
  | 'SNP_HOST_DATA'
  | 'SNP_ID_KEY'
  | 'SNP_AUTHOR_KEY'
  | 'SNP_IMAGE_IDENTITY'
  | 'SNP_MIGRATION_AGENT'
  | 'SNP_CHIP_NOT_ALLOWED'
  | 'SNP_CSP_NOT_ALLOWED'
  | 'SNP_REPORT_DATA';

const MESSAGES: Readonly<Record<AttestationErrorCode, string>> = {
  DER_MALFORMED: 'bytes are not strict DER',
  DER_LIMIT_EXCEEDED: 'DER value above a limit',
  X509_MALFORMED: 'bytes are not a certificate of the supported form',
  X509_TOO_LARGE: 'certificate above its size limit',
  X509_DUPLICATE_EXTENSION: 'certificate carries an extension twice',
  CRL_MALFORMED: 'bytes are not a revocation list of the supported form',
  CRL_TOO_LARGE: 'revocation list above a limit',
  PEM_MALFORMED: 'text is not a sequence of PEM blocks',
  PEM_TOO_LARGE: 'PEM text above a limit',
  EVIDENCE_MALFORMED: 'bytes are not encoded evidence',
  EVIDENCE_TOO_LARGE: 'evidence above a limit',
  REFERENCE_VALUES_INVALID: 'reference values are not valid',
  APPRAISAL_NO_REFERENCE_VALUES: 'no reference values to appraise against',
  APPRAISAL_TEE_MISMATCH: 'evidence is of another TEE than the reference values',
  SNP_REPORT_LENGTH: 'attestation report has not exactly 1184 bytes',
  SNP_REPORT_VERSION: 'attestation report version is not supported',
  SNP_SIGNATURE_ALGORITHM: 'report signature algorithm is not ECDSA P-384 with SHA-384',
  SNP_RESERVED_NOT_ZERO: 'reserved bytes of the report are not zero',
  SNP_SIGNATURE_ENCODING: 'padding of the report signature is not zero',
  SNP_POLICY_RESERVED: 'reserved bits of the guest policy have wrong values',
  SNP_SIGNING_KEY: 'report is not signed by a VCEK or VLEK',
  SNP_CHIP_KEY_MASKED: 'the host masked the chip key, so the report is unsigned',
  SNP_KEY_INFO_RESERVED: 'reserved bits of KEY_INFO are set',
  SNP_PRODUCT_UNKNOWN: 'processor is of no supported product line',
  SNP_ENDORSEMENT_MISSING: 'a certificate that the report needs is missing',
  SNP_ENDORSEMENT_MALFORMED: 'an endorsement cannot be parsed',
  SNP_CERTIFICATE_TABLE_MALFORMED: 'certificate table of the extended report is malformed',
  SNP_ROOT_UNTRUSTED: 'root certificate is not among the accepted ones of the product',
  SNP_ROOT_SIGNATURE: 'root certificate is not signed by itself',
  SNP_INTERMEDIATE_ISSUER: 'intermediate certificate names another issuer than the root',
  SNP_INTERMEDIATE_SIGNATURE: 'intermediate certificate is not signed by the root',
  SNP_CA_CONSTRAINTS: 'a certificate in the chain may not issue certificates',
  SNP_CA_KEY: 'key of a certification authority is not RSA of 4096 bits',
  SNP_CA_VALIDITY: 'certificate of an authority is not valid at the given time',
  SNP_CERTIFICATE_EXTENSION: 'certificate carries an unknown critical extension',
  SNP_VEK_ISSUER: 'endorsement key certificate names another issuer than the intermediate',
  SNP_VEK_SIGNATURE: 'endorsement key certificate is not signed by the intermediate',
  SNP_VEK_KEY: 'endorsement key is not an EC key on P-384',
  SNP_VEK_IDENTITY: 'endorsement key certificate does not fit the signing key of the report',
  SNP_VEK_EXTENSIONS: 'vendor extensions of the endorsement key certificate are malformed',
  SNP_VEK_VALIDITY: 'endorsement key certificate is not valid at the given time',
  SNP_CRL_MISSING: 'revocation list is demanded but missing',
  SNP_CRL_ISSUER: 'revocation list is not issued by the root',
  SNP_CRL_SIGNATURE: 'revocation list is not signed by the root',
  SNP_CRL_VALIDITY: 'revocation list is not valid at the given time',
  SNP_CA_REVOKED: 'a certificate of the chain is revoked',
  SNP_CHIP_ID: 'chip id of the report and of the certificate differ',
  SNP_TCB_MISMATCH: 'reported TCB and the TCB of the certificate differ',
  SNP_PRODUCT_MISMATCH: 'product of report and certificates differ',
  SNP_REPORT_SIGNATURE: 'signature of the report is wrong',
  SNP_DEVELOPMENT_ROOT: 'reference values do not list this development root',
  SNP_PRODUCT_NOT_ALLOWED: 'product line is not among the reference values',
  SNP_SIGNER_NOT_ALLOWED: 'kind of signing key is not among the reference values',
  SNP_TCB_ORDER: 'TCB versions of the report contradict each other',
  SNP_FIRMWARE_PROVISIONAL: 'firmware is provisional: it may still be rolled back',
  SNP_TCB_BELOW_MINIMUM: 'TCB is below the demanded minimum',
  SNP_POLICY_DEBUG: 'guest policy allows debugging',
  SNP_POLICY_MIGRATION: 'guest policy allows a migration agent',
  SNP_POLICY_DEMAND: 'guest policy does not meet a demand',
  SNP_PLATFORM_INFO: 'platform does not meet a demand',
  SNP_MITIGATIONS: 'demanded firmware mitigations are not active',
  SNP_VMPL: 'report was requested at another privilege level',
  SNP_MEASUREMENT: 'launch digest is not among the reference values',
  SNP_HOST_DATA: 'host data differ from the reference value',
  SNP_ID_KEY: 'id key is not among the reference values',
  SNP_AUTHOR_KEY: 'author key is not among the reference values',
  SNP_IMAGE_IDENTITY: 'family id, image id or guest SVN do not meet the reference values',
  SNP_MIGRATION_AGENT: 'guest is bound to a migration agent',
  SNP_CHIP_NOT_ALLOWED: 'chip is not among the reference values',
  SNP_CSP_NOT_ALLOWED: 'cloud provider of the VLEK is not among the reference values',
  SNP_REPORT_DATA: 'report data differ from the expected ones',
};

/** All codes, for the documentation test. */
export const ATTESTATION_ERROR_CODES: readonly AttestationErrorCode[] = Object.keys(
  MESSAGES,
) as AttestationErrorCode[];

/** Evidence, an endorsement or reference values that this package refuses. */
export class AttestationError extends CodedError<AttestationErrorCode> {
  constructor(code: AttestationErrorCode, fields: ErrorFields = {}, cause?: unknown) {
    super(code, MESSAGES[code], cause === undefined ? { fields } : { fields, cause });
  }
}
