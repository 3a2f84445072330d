/**
 * The words with which index files describe SEV-SNP verdicts, in this package's codes and reference
 * values. Words that are not here allow any code: the verdict itself is compared in any case.
 */
import type { AttestationErrorCode } from '../src/index.ts';
import { objectOf, type Json } from './json.ts';

const CODES: Readonly<Record<string, readonly AttestationErrorCode[]>> = {
  'certificate chain': [
    'SNP_VEK_ISSUER',
    'SNP_VEK_SIGNATURE',
    'SNP_INTERMEDIATE_ISSUER',
    'SNP_INTERMEDIATE_SIGNATURE',
    'SNP_ROOT_UNTRUSTED',
  ],
  validity: ['SNP_VEK_VALIDITY', 'SNP_CA_VALIDITY'],
  'report signature': ['SNP_REPORT_SIGNATURE'],
  'certificate TCB != reported TCB': ['SNP_TCB_MISMATCH'],
  'certificate HWID != chip id': ['SNP_CHIP_ID'],
  'guest policy allows DEBUG': ['SNP_POLICY_DEBUG'],
  'guest policy allows MIGRATE_MA': ['SNP_POLICY_MIGRATION'],
  VMPL: ['SNP_VMPL'],
  'committed TCB != current TCB': ['SNP_FIRMWARE_PROVISIONAL'],
  debug: ['SNP_POLICY_DEBUG'],
  migrate: ['SNP_POLICY_MIGRATION'],
  vmpl: ['SNP_VMPL'],
  minTcb: ['SNP_TCB_BELOW_MINIMUM'],
  policyBit17: ['SNP_POLICY_RESERVED'],
  hwid: ['SNP_CHIP_ID', 'SNP_VEK_IDENTITY', 'SNP_VEK_EXTENSIONS'],
  icaRevoked: ['SNP_CA_REVOKED'],
  crlSig: ['SNP_CRL_SIGNATURE', 'SNP_CRL_ISSUER'],
  icaNotCA: ['SNP_CA_CONSTRAINTS'],
  vekSig: ['SNP_VEK_SIGNATURE', 'SNP_VEK_ISSUER'],
  signingKey: ['SNP_SIGNING_KEY', 'SNP_VEK_IDENTITY'],
  reportSig: ['SNP_REPORT_SIGNATURE', 'SNP_SIGNATURE_ENCODING', 'SNP_CHIP_KEY_MASKED'],
  version: ['SNP_REPORT_VERSION'],
  sigAlgo: ['SNP_SIGNATURE_ALGORITHM'],
  mbz: ['SNP_RESERVED_NOT_ZERO', 'SNP_SIGNATURE_ENCODING', 'SNP_KEY_INFO_RESERVED'],
  tcbMatch: ['SNP_TCB_MISMATCH', 'SNP_VEK_EXTENSIONS'],
};

/** The codes that words allow; none means any. */
export function snpCodesFor(words: string): readonly AttestationErrorCode[] {
  const [first = ''] = words.split(' ');
  const begun = Object.keys(CODES).find((known) => words.startsWith(`${known} `));
  return CODES[words] ?? CODES[begun ?? ''] ?? CODES[first] ?? [];
}

/**
 * Checks of the policy stage that no reference value can waive. An index may count them among the
 * ones that no policy waives (`reject`) or among those of the policy (`reject-policy`).
 */
export const SNP_NOT_WAIVABLE: readonly AttestationErrorCode[] = ['SNP_TCB_ORDER'];

/** Findings that an accepting verdict needs a permission for. */
const PERMISSIONS: readonly (readonly [pattern: RegExp, permission: (match: string) => Json])[] = [
  [/^committed (?:TCB|firmware|version) != (current)/, () => ({ provisionalFirmware: true })],
  [/^VMPL ([1-3])\b/, (level) => ({ vmpl: Number(level) })],
  [/(DEBUG)/, () => ({ debug: true })],
];

/** Reference values that permit what an index lists as findings of an accepted report. */
export function permissionsFor(findings: readonly string[]): Json {
  const granted = findings.flatMap((finding) =>
    PERMISSIONS.flatMap(([pattern, permission]) => {
      const match = pattern.exec(finding);
      return match === null ? [] : [permission(match[1] ?? '')];
    }),
  );
  return Object.assign({}, ...granted) as Json;
}

type Demand = (value: unknown, current: Json) => Json;

const tcbOf = (value: unknown): Json => {
  const parts = objectOf(value);
  return {
    ...(parts['fmc'] === undefined ? {} : { fmc: parts['fmc'] }),
    bootloader: parts['bl'] ?? parts['bootloader'] ?? 0,
    tee: parts['tee'] ?? 0,
    snp: parts['snp'] ?? 0,
    microcode: parts['ucode'] ?? parts['microcode'] ?? 0,
  };
};
const list = (value: unknown): unknown => (Array.isArray(value) ? value : [value]);
const withPolicy =
  (name: string): Demand =>
  (value, current) => ({ policy: { ...objectOf(current['policy']), [name]: value } });
const field =
  (name: string, read: (value: unknown) => unknown = (value) => value): Demand =>
  (value) => ({ [name]: read(value) });

/** What an index calls a demand, and the reference value that states it. */
const DEMANDS: Readonly<Record<string, Demand>> = {
  minTcb: field('minimumTcb', tcbOf),
  minLaunchTcb: field('minimumLaunchTcb', tcbOf),
  minCommittedTcb: field('minimumCommittedTcb', tcbOf),
  vmpl: field('vmpl'),
  minGuestSvn: field('guestSvnMinimum'),
  measurement: field('measurement', list),
  hostData: field('hostData'),
  idKeyDigest: field('idKeyDigest', list),
  authorKeyDigest: field('authorKeyDigest', list),
  familyId: field('familyId', list),
  imageId: field('imageId', list),
  chipIds: field('chipIds', list),
  chipId: field('chipIds', list),
  cspIds: field('cspIds', list),
  cspId: field('cspIds', list),
  products: field('products', list),
  signers: field('signers', list),
  mitigationMask: field('mitigationMask'),
  platformRequired: field('platformRequired', list),
  platformForbidden: field('platformForbidden', list),
  allowDebug: field('debug'),
  allowProvisional: field('provisionalFirmware'),
  provisionalFirmware: field('provisionalFirmware'),
  allowSmt: withPolicy('smt'),
  allowMigrateMa: withPolicy('migrationAgent'),
  singleSocket: withPolicy('singleSocket'),
  minAbi: withPolicy('abiMinimum'),
};

/**
 * An index's `policy` as reference values.
 *
 * @throws Error for a demand that is not known, because a vector without it proves nothing
 */
export function demandsFor(policy: Json): Json {
  let demands: Json = {};
  for (const [name, value] of Object.entries(policy)) {
    const demand = DEMANDS[name];
    if (demand === undefined) throw new Error(`unknown policy demand ${name}`);
    demands = { ...demands, ...demand(value, demands) };
  }
  return demands;
}
