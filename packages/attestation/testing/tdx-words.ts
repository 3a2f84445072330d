/**
 * The words with which index files describe TDX verdicts, in this package's codes and reference
 * values. Words that are not here allow any code: the verdict itself is compared in any case.
 */
import type { AttestationErrorCode } from '../src/index.ts';
import type { Json } from './json.ts';

const CODES: Readonly<Record<string, readonly AttestationErrorCode[]>> = {
  'status Revoked': ['TDX_TCB_REVOKED'],
  'status NotSupported': ['TDX_TCB_NOT_SUPPORTED'],
  'TCB Revoked': ['TDX_TCB_REVOKED'],
  'TCB NotSupported': ['TDX_TCB_NOT_SUPPORTED'],
  'status undefined': ['TDX_MODULE_IDENTITY'],
  'TD DEBUG': ['TDX_DEBUG'],
  'SEPT_VE_DISABLE clear': ['TDX_ATTRIBUTES'],
  'MRSERVICETD not zero': ['TDX_SERVICE_TD'],
  PERFMON: ['TDX_ATTRIBUTES'],
  MIGRATABLE: ['TDX_ATTRIBUTES'],
  status: ['TDX_TCB_STATUS'],
  tdxModuleIdentityMissing: ['TDX_MODULE_IDENTITY'],
  seamAttr: ['TDX_MODULE_ATTRIBUTES'],
  seamAttrZero: ['TDX_MODULE_ATTRIBUTES'],
  qeMrsigner: ['TDX_QE_MISMATCH'],
  qeAttr: ['TDX_QE_MISMATCH'],
  qeIdId: ['TDX_QE_IDENTITY_ID'],
  qeIdExpired: ['TDX_QE_IDENTITY_VALIDITY'],
  tud: ['TDX_DEBUG'],
  mrServiceTd: ['TDX_SERVICE_TD'],
  quoteSig: ['TDX_QUOTE_SIGNATURE'],
  qeReportSig: ['TDX_QE_REPORT_SIGNATURE'],
  qeReportDataTail: ['TDX_QE_REPORT_DATA'],
  chainLen: ['TDX_PCK_CHAIN'],
  pckExpired: ['TDX_PCK_VALIDITY', 'TDX_CA_VALIDITY'],
  caRevoked: ['TDX_CA_REVOKED'],
  pckCrlExpired: ['TDX_CRL_VALIDITY'],
  pckCrlSig: ['TDX_CRL_SIGNATURE', 'TDX_CRL_ISSUER'],
  tcbInfoSig: ['TDX_TCB_INFO_SIGNATURE'],
  tcbInfoChain: ['TDX_TCB_SIGNER', 'TDX_TCB_SIGNER_VALIDITY', 'TDX_TCB_SIGNER_REVOKED'],
  tcbInfoExpired: ['TDX_TCB_INFO_VALIDITY'],
  tcbInfoId: ['TDX_TCB_INFO_ID'],
  pceIdMismatch: ['TDX_PCEID_MISMATCH'],
  version: ['TDX_QUOTE_VERSION', 'TDX_TEE_TYPE'],
  qeVendor: ['TDX_VENDOR_ID'],
  certType: ['TDX_CERTIFICATION_DATA'],
  'bodyType/size': ['TDX_BODY_TYPE'],
  EXC: ['TDX_QUOTE_MALFORMED', 'TDX_PCK_CHAIN', 'TDX_COLLATERAL_MALFORMED'],
};

/** The codes that words allow; none means any. */
export function tdxCodesFor(words: string): readonly AttestationErrorCode[] {
  const begun = Object.keys(CODES).find((known) => words.startsWith(`${known} `));
  return CODES[words] ?? CODES[begun ?? ''] ?? [];
}

/**
 * Checks of the policy stage that no reference value can waive. An index may count them among the
 * ones that no policy waives (`reject`) or among those of the policy (`reject-policy`).
 */
export const TDX_NOT_WAIVABLE: readonly AttestationErrorCode[] = [
  'TDX_ATTRIBUTES_RESERVED',
  'TDX_XFAM',
];

const PERMISSIONS: readonly (readonly [words: RegExp, permission: Json])[] = [
  [/DEBUG/, { debug: true }],
  [/SEPT_VE_DISABLE/, { septVeClear: true }],
  [/MIGRATABLE/, { migratable: true }],
  [/PERFMON/, { perfmon: true }],
];

/** Reference values that permit what an index lists as findings of an accepted quote. */
export function tdxPermissionsFor(findings: readonly string[], mrServiceTd: string): Json {
  const granted = findings.flatMap((finding) => [
    ...PERMISSIONS.filter(([words]) => words.test(finding)).map(([, permission]) => permission),
    ...(/MRSERVICETD/.test(finding) ? [{ mrServiceTd: [mrServiceTd] }] : []),
  ]);
  return Object.assign({}, ...granted) as Json;
}
