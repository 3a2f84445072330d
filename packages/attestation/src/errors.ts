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
  | 'SNP_REPORT_DATA'
  | 'TDX_QUOTE_LENGTH'
  | 'TDX_TEE_TYPE'
  | 'TDX_QUOTE_VERSION'
  | 'TDX_KEY_TYPE'
  | 'TDX_VENDOR_ID'
  | 'TDX_BODY_TYPE'
  | 'TDX_CERTIFICATION_DATA'
  | 'TDX_QUOTE_MALFORMED'
  | 'TDX_PCK_CHAIN'
  | 'TDX_ROOT_UNTRUSTED'
  | 'TDX_CHAIN_NAMES'
  | 'TDX_CHAIN_SIGNATURE'
  | 'TDX_CA_CONSTRAINTS'
  | 'TDX_CHAIN_KEY'
  | 'TDX_CERTIFICATE_EXTENSION'
  | 'TDX_CA_VALIDITY'
  | 'TDX_PCK_VALIDITY'
  | 'TDX_PCK_EXTENSIONS'
  | 'TDX_COLLATERAL_MISSING'
  | 'TDX_COLLATERAL_MALFORMED'
  | 'TDX_CRL_ISSUER'
  | 'TDX_CRL_SIGNATURE'
  | 'TDX_CRL_VALIDITY'
  | 'TDX_CA_REVOKED'
  | 'TDX_PCK_REVOKED'
  | 'TDX_TCB_SIGNER'
  | 'TDX_TCB_SIGNER_VALIDITY'
  | 'TDX_TCB_SIGNER_REVOKED'
  | 'TDX_TCB_INFO_SIGNATURE'
  | 'TDX_TCB_INFO_ID'
  | 'TDX_TCB_INFO_VALIDITY'
  | 'TDX_FMSPC_MISMATCH'
  | 'TDX_PCEID_MISMATCH'
  | 'TDX_QE_IDENTITY_SIGNATURE'
  | 'TDX_QE_IDENTITY_ID'
  | 'TDX_QE_IDENTITY_VALIDITY'
  | 'TDX_MODULE_IDENTITY'
  | 'TDX_MODULE_SIGNER'
  | 'TDX_MODULE_ATTRIBUTES'
  | 'TDX_QE_REPORT_SIGNATURE'
  | 'TDX_QE_REPORT_DATA'
  | 'TDX_QE_MISMATCH'
  | 'TDX_QUOTE_SIGNATURE'
  | 'TDX_TCB_REVOKED'
  | 'TDX_TCB_NOT_SUPPORTED'
  | 'TDX_DEVELOPMENT_ROOT'
  | 'TDX_TCB_STATUS'
  | 'TDX_ADVISORIES'
  | 'TDX_TCB_EVALUATION_NUMBER'
  | 'TDX_DEBUG'
  | 'TDX_ATTRIBUTES_RESERVED'
  | 'TDX_ATTRIBUTES'
  | 'TDX_XFAM'
  | 'TDX_PLATFORM_FLAGS'
  | 'TDX_PLATFORM_NOT_ALLOWED'
  | 'TDX_MRTD'
  | 'TDX_RTMR'
  | 'TDX_MRSEAM'
  | 'TDX_CONFIG_ID'
  | 'TDX_OWNER'
  | 'TDX_SERVICE_TD'
  | 'TDX_REPORT_DATA'
  | 'LAUNCH_PLAN_INVALID'
  | 'LAUNCH_FIRMWARE_MALFORMED'
  | 'AZURE_EVIDENCE_MALFORMED'
  | 'AZURE_HCL_MALFORMED'
  | 'AZURE_HCL_TYPE'
  | 'AZURE_RUNTIME_DATA_MALFORMED'
  | 'AZURE_ATTESTATION_KEY'
  | 'AZURE_VMPL'
  | 'AZURE_RUNTIME_DATA'
  | 'AZURE_TD_REPORT'
  | 'AZURE_QUOTE_MALFORMED'
  | 'AZURE_QUOTE_TYPE'
  | 'AZURE_QUOTE_ALGORITHM'
  | 'AZURE_QUOTE_SIGNATURE'
  | 'AZURE_PCR_SELECTION'
  | 'AZURE_PCR_DIGEST'
  | 'AZURE_NONCE'
  | 'AZURE_USER_DATA'
  | 'AZURE_PCR'
  | 'AZURE_INIT_DATA'
  | 'AZURE_SECURE_BOOT'
  | 'EVENT_LOG_TABLE_MALFORMED'
  | 'EVENT_LOG_MALFORMED'
  | 'EVENT_LOG_TOO_LARGE'
  | 'EVENT_LOG_REGISTER';

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
  TDX_QUOTE_LENGTH: 'quote above its size limit',
  TDX_TEE_TYPE: 'quote is not of a trust domain',
  TDX_QUOTE_VERSION: 'quote version is not supported',
  TDX_KEY_TYPE: 'attestation key is not ECDSA P-256',
  TDX_VENDOR_ID: 'quoting enclave is not of Intel',
  TDX_BODY_TYPE: 'body of the quote is of an unknown type or size',
  TDX_CERTIFICATION_DATA: 'quote does not carry a PCK certificate chain',
  TDX_QUOTE_MALFORMED: 'lengths inside the quote contradict each other',
  TDX_PCK_CHAIN: 'PCK certificate chain of the quote is malformed',
  TDX_ROOT_UNTRUSTED: 'root certificate is not among the accepted ones',
  TDX_CHAIN_NAMES: "certificates of the chain have other names than Intel's",
  TDX_CHAIN_SIGNATURE: 'a certificate of the chain is not signed by the next',
  TDX_CA_CONSTRAINTS: 'a certificate in the chain may not issue certificates',
  TDX_CHAIN_KEY: 'a key of the chain is not on P-256',
  TDX_CERTIFICATE_EXTENSION: 'certificate carries an unknown critical extension',
  TDX_CA_VALIDITY: 'certificate of an authority is not valid at the given time',
  TDX_PCK_VALIDITY: 'PCK certificate is not valid at the given time',
  TDX_PCK_EXTENSIONS: 'SGX extension of the PCK certificate is malformed',
  TDX_COLLATERAL_MISSING: "a part of Intel's collateral is missing",
  TDX_COLLATERAL_MALFORMED: "a part of Intel's collateral cannot be parsed",
  TDX_CRL_ISSUER: 'revocation list is of another issuer',
  TDX_CRL_SIGNATURE: 'signature of a revocation list is wrong',
  TDX_CRL_VALIDITY: 'revocation list is not valid at the given time',
  TDX_CA_REVOKED: 'authority of the PCK certificate is revoked',
  TDX_PCK_REVOKED: 'PCK certificate is revoked',
  TDX_TCB_SIGNER: "signer of Intel's documents is not the TCB signing certificate",
  TDX_TCB_SIGNER_VALIDITY: 'TCB signing certificate is not valid at the given time',
  TDX_TCB_SIGNER_REVOKED: 'TCB signing certificate is revoked',
  TDX_TCB_INFO_SIGNATURE: 'signature of the TCB info is wrong',
  TDX_TCB_INFO_ID: 'TCB info is not for TDX or of an unknown version',
  TDX_TCB_INFO_VALIDITY: 'TCB info is not valid at the given time',
  TDX_FMSPC_MISMATCH: 'TCB info is for another platform family',
  TDX_PCEID_MISMATCH: 'TCB info is for another provisioning enclave',
  TDX_QE_IDENTITY_SIGNATURE: 'signature of the quoting enclave identity is wrong',
  TDX_QE_IDENTITY_ID: 'quoting enclave identity is not for TDX or of an unknown version',
  TDX_QE_IDENTITY_VALIDITY: 'quoting enclave identity is not valid at the given time',
  TDX_MODULE_IDENTITY: 'TCB info has no identity for the TDX module',
  TDX_MODULE_SIGNER: 'TDX module is signed by somebody else',
  TDX_MODULE_ATTRIBUTES: 'attributes of the TDX module are not the expected ones',
  TDX_QE_REPORT_SIGNATURE: 'report of the quoting enclave is not signed by the PCK',
  TDX_QE_REPORT_DATA: 'quoting enclave does not vouch for the attestation key',
  TDX_QE_MISMATCH: "quoting enclave does not have Intel's identity",
  TDX_QUOTE_SIGNATURE: 'signature of the quote is wrong',
  TDX_TCB_REVOKED: 'TCB of the platform is revoked',
  TDX_TCB_NOT_SUPPORTED: 'TCB of the platform is below every listed level',
  TDX_DEVELOPMENT_ROOT: 'reference values do not list this development root',
  TDX_TCB_STATUS: 'rating of the platform is not accepted',
  TDX_ADVISORIES: 'an advisory applies that is not tolerated',
  TDX_TCB_EVALUATION_NUMBER: 'collateral is of an older TCB recovery than demanded',
  TDX_DEBUG: 'trust domain may be debugged or profiled',
  TDX_ATTRIBUTES_RESERVED: 'reserved bits of TDATTRIBUTES are set',
  TDX_ATTRIBUTES: 'attributes of the trust domain do not meet the demands',
  TDX_XFAM: 'extended features of the trust domain are not allowed',
  TDX_PLATFORM_FLAGS: 'flags of the platform do not meet the demands',
  TDX_PLATFORM_NOT_ALLOWED: 'platform is not among the reference values',
  TDX_MRTD: 'MRTD is not among the reference values',
  TDX_RTMR: 'a run-time register is not among the reference values',
  TDX_MRSEAM: 'TDX module is not among the reference values',
  TDX_CONFIG_ID: 'MRCONFIGID differs from the reference value',
  TDX_OWNER: 'MROWNER or MROWNERCONFIG differ from the reference values',
  TDX_SERVICE_TD: 'bound service TDs are not among the reference values',
  TDX_REPORT_DATA: 'report data differ from the expected ones',
  LAUNCH_PLAN_INVALID: 'a launch digest cannot be calculated from these inputs',
  LAUNCH_FIRMWARE_MALFORMED: 'firmware image is not made for SEV-SNP',
  AZURE_EVIDENCE_MALFORMED: 'document is not evidence of Azure',
  AZURE_HCL_MALFORMED: "report of Azure's paravisor is malformed",
  AZURE_HCL_TYPE: "report of Azure's paravisor is of another TEE",
  AZURE_RUNTIME_DATA_MALFORMED: "document of Azure's paravisor is malformed",
  AZURE_ATTESTATION_KEY: "document of Azure's paravisor has no usable attestation key",
  AZURE_VMPL: "report below Azure's paravisor is not of VMPL 0",
  AZURE_RUNTIME_DATA: "report data do not bind the paravisor's document",
  AZURE_TD_REPORT: 'quote is of another trust domain than the TDREPORT',
  AZURE_QUOTE_MALFORMED: "structure of the vTPM's quote is malformed",
  AZURE_QUOTE_TYPE: 'attested structure is not a quote of a TPM',
  AZURE_QUOTE_ALGORITHM: "vTPM's quote is not signed with RSASSA and SHA-256",
  AZURE_QUOTE_SIGNATURE: "signature of the vTPM's quote is wrong",
  AZURE_PCR_SELECTION: "registers of the vTPM's quote do not fit its selection",
  AZURE_PCR_DIGEST: 'registers of the evidence are not those that the vTPM quoted',
  AZURE_NONCE: "vTPM's quote is for another nonce",
  AZURE_USER_DATA: "user data in the paravisor's document differ from the expected ones",
  AZURE_PCR: 'a register of the vTPM is not among the reference values',
  AZURE_INIT_DATA: 'register 8 of the vTPM does not hold the init data',
  AZURE_SECURE_BOOT: 'paravisor does not say that secure boot is on',
  EVENT_LOG_TABLE_MALFORMED: 'CCEL table is malformed',
  EVENT_LOG_MALFORMED: 'event log is malformed',
  EVENT_LOG_TOO_LARGE: 'event log above a limit',
  EVENT_LOG_REGISTER: 'event log does not give the registers of the evidence',
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
