/**
 * A genuine report against reference values: rows 13 to 17 of the order of checks. All of them are
 * made, so that a person sees everything that has to change at once.
 */
import { bytesEqual, toHex } from '@witan/core';
import type { CheckList } from '../check-list.ts';
import type { AttestationErrorCode } from '../errors.ts';
import type { SnpClaims } from './claims.ts';
import { guestPolicyAbi, guestPolicyHas, platformHas, type GuestPolicyFlag } from './flags.ts';
import type { GenuineSnp } from './genuine.ts';
import { minimumTcbOf, type SnpMinimumTcb, type SnpReferenceValues } from './reference-values.ts';
import { tcbPartsBelow, tcbText, type SnpTcb } from './tcb.ts';

const NO_MIGRATION_AGENT: string = 'ff'.repeat(32);

/**
 * Makes every check of the reference values.
 *
 * @param expectedReportData the 64 bytes that the report must carry
 */
export function judgeSnp(
  genuine: GenuineSnp,
  reference: SnpReferenceValues,
  expectedReportData: Uint8Array,
  checks: CheckList,
): void {
  const { claims } = genuine;
  judgeOrigin(claims, reference, checks);
  judgeTcb(claims, reference, checks);
  judgeGuestPolicy(genuine, reference, checks);
  judgePlatform(genuine, reference, checks);
  checks.judge('SNP_VMPL', claims.vmpl === reference.vmpl, reference.vmpl, claims.vmpl);
  if (claims.vmpl !== 0) checks.note('vmpl-not-zero', `VMPL ${claims.vmpl}`);
  judgeIdentity(genuine, reference, checks);
  const { reportData } = genuine.report;
  const expected = toHex(expectedReportData);
  checks.judge(
    'SNP_REPORT_DATA',
    bytesEqual(reportData, expectedReportData),
    expected,
    claims.reportData,
  );
}

/** Root, product and signer. Development roots count only where they are listed (I11). */
function judgeOrigin(claims: SnpClaims, reference: SnpReferenceValues, checks: CheckList): void {
  const developmentRoots = reference.developmentRoots ?? [];
  checks.judge(
    'SNP_DEVELOPMENT_ROOT',
    !claims.simulated || developmentRoots.includes(claims.rootFingerprint),
    'a production root, or one of developmentRoots',
    claims.rootFingerprint,
  );
  allow('SNP_PRODUCT_NOT_ALLOWED', reference.products, claims.product, checks);
  allow('SNP_SIGNER_NOT_ALLOWED', reference.signers, claims.signer, checks);
}

/** Row 13. */
function judgeTcb(claims: SnpClaims, reference: SnpReferenceValues, checks: CheckList): void {
  const { reportedTcb, currentTcb, committedTcb, launchTcb } = claims;
  const below = (tcb: SnpTcb, minimum: SnpTcb): boolean => tcbPartsBelow(tcb, minimum).length > 0;
  checks.judge(
    'SNP_TCB_ORDER',
    !below(currentTcb, reportedTcb) && !below(currentTcb, committedTcb),
    'reported; committed; current, with the first two not above the last',
    [reportedTcb, committedTcb, currentTcb].map(tcbText).join('; '),
  );
  if (below(reportedTcb, currentTcb)) {
    checks.note('reported-tcb-below-current', tcbText(currentTcb));
  }
  const provisional =
    below(committedTcb, currentTcb) || claims.committedFirmware !== claims.currentFirmware;
  checks.judge(
    'SNP_FIRMWARE_PROVISIONAL',
    !provisional || reference.provisionalFirmware,
    'committed firmware',
    `committed ${tcbText(committedTcb)}, firmware ${claims.committedFirmware}`,
  );
  if (provisional) checks.note('provisional-firmware', tcbText(committedTcb));
  const { minimumTcb, minimumLaunchTcb, minimumCommittedTcb } = reference;
  judgeMinimum('reported', reportedTcb, minimumTcb, claims, checks);
  judgeMinimum('launch', launchTcb, minimumLaunchTcb, claims, checks);
  judgeMinimum('committed', committedTcb, minimumCommittedTcb, claims, checks);
}

function judgeMinimum(
  which: string,
  tcb: SnpTcb,
  demanded: SnpMinimumTcb | undefined,
  { product }: SnpClaims,
  checks: CheckList,
): void {
  if (demanded === undefined) return;
  // A product without a minimum is not an accepted one; it must not pass for want of a number.
  const minimum = minimumTcbOf(demanded, product);
  const reached = minimum !== undefined && tcbPartsBelow(tcb, minimum).length === 0;
  const expected = minimum === undefined ? `a minimum for ${product}` : tcbText(minimum);
  const text = `${which} at least ${expected}`;
  checks.judge('SNP_TCB_BELOW_MINIMUM', reached, text, tcbText(tcb));
}

/** Row 14, what the guest's owner chose. */
function judgeGuestPolicy(
  { report: { policy }, claims }: GenuineSnp,
  reference: SnpReferenceValues,
  checks: CheckList,
): void {
  const demands = reference.policy;
  const has = (flag: GuestPolicyFlag): boolean => guestPolicyHas(policy, flag);
  checks.judge(
    'SNP_POLICY_DEBUG',
    !claims.debug || reference.debug,
    'no debugging',
    claims.guestPolicy,
  );
  if (claims.debug) checks.note('debug-permitted', 'the host may read the memory of the guest');
  const migratable = has('migrationAgentAllowed');
  checks.judge(
    'SNP_POLICY_MIGRATION',
    !migratable || demands.migrationAgent,
    'no migration agent',
    claims.guestPolicy,
  );
  if (migratable) checks.note('migration-permitted', claims.guestPolicy);
  const missing: string[] = [];
  if (has('smtAllowed') && !demands.smt) missing.push('SMT forbidden');
  if (has('cxlAllowed') && !demands.cxl) missing.push('CXL forbidden');
  if (demands.singleSocket && !has('singleSocketRequired')) missing.push('single socket');
  if (demands.aes256Xts && !has('aes256XtsRequired')) missing.push('AES-256-XTS');
  if (demands.raplDisabled && !has('raplDisabledRequired')) missing.push('RAPL disabled');
  if (demands.ciphertextHiding && !has('ciphertextHidingRequired')) {
    missing.push('ciphertext hiding');
  }
  if (demands.pageSwapDisabled && !has('pageSwapDisabled')) missing.push('page swap disabled');
  if (!abiReaches(policy, demands.abiMinimum)) missing.push(`ABI ${demands.abiMinimum}`);
  checks.judge(
    'SNP_POLICY_DEMAND',
    missing.length === 0,
    missing.length === 0 ? 'demands met' : missing.join(', '),
    claims.guestPolicy,
  );
}

/** Row 14, what the platform says of itself. */
function judgePlatform(
  { report, claims }: GenuineSnp,
  reference: SnpReferenceValues,
  checks: CheckList,
): void {
  const absent = reference.platformRequired.filter(
    (flag) => !platformHas(report.platformInfo, flag),
  );
  const unwanted = reference.platformForbidden.filter((flag) =>
    platformHas(report.platformInfo, flag),
  );
  const wrong = [...absent, ...unwanted.map((flag) => `not ${flag}`)];
  checks.judge(
    'SNP_PLATFORM_INFO',
    wrong.length === 0,
    wrong.length === 0 ? 'demands met' : wrong.join(', '),
    claims.platformInfo,
  );
  if (reference.mitigationMask === undefined) return;
  const mask = BigInt(reference.mitigationMask);
  const { launchMitigations, currentMitigations } = report;
  const active = (launchMitigations & mask) === mask && (currentMitigations & mask) === mask;
  const found = `launch ${claims.launchMitigations}, current ${claims.currentMitigations}`;
  checks.judge('SNP_MITIGATIONS', active, reference.mitigationMask, found);
}

/** Row 16. */
function judgeIdentity(
  { claims, report }: GenuineSnp,
  reference: SnpReferenceValues,
  checks: CheckList,
): void {
  const launchDigest = claims.measurements[0]?.value ?? '';
  allow('SNP_MEASUREMENT', reference.measurement, launchDigest, checks);
  allow('SNP_HOST_DATA', [reference.hostData], claims.configDigest, checks);
  allow('SNP_ID_KEY', reference.idKeyDigest, claims.idKeyDigest, checks);
  // Without AUTHOR_KEY_EN no author key took part in the launch, whatever the digest says.
  const author = report.authorKeyEnabled ? claims.authorKeyDigest : 'no author key';
  allow('SNP_AUTHOR_KEY', reference.authorKeyDigest, author, checks);
  allow('SNP_IMAGE_IDENTITY', reference.familyId, claims.familyId, checks);
  allow('SNP_IMAGE_IDENTITY', reference.imageId, claims.imageId, checks);
  checks.judge(
    'SNP_IMAGE_IDENTITY',
    claims.guestSvn >= reference.guestSvnMinimum,
    `guest SVN at least ${reference.guestSvnMinimum}`,
    claims.guestSvn,
  );
  checks.judge(
    'SNP_MIGRATION_AGENT',
    claims.reportIdMigrationAgent === NO_MIGRATION_AGENT || reference.policy.migrationAgent,
    NO_MIGRATION_AGENT,
    claims.reportIdMigrationAgent,
  );
  allow('SNP_CHIP_NOT_ALLOWED', reference.chipIds, claims.hardwareId ?? 'masked', checks);
  if (claims.signer === 'VLEK') {
    allow('SNP_CSP_NOT_ALLOWED', reference.cspIds, claims.cspId ?? '', checks);
  }
}

function allow(
  code: AttestationErrorCode,
  allowed: readonly string[] | undefined,
  found: string,
  checks: CheckList,
): void {
  if (allowed === undefined) return;
  const [first = '', ...more] = allowed;
  const expected = more.length === 0 ? first : `one of ${allowed.length}, first ${first}`;
  checks.judge(code, allowed.includes(found), expected, found);
}

function abiReaches(policy: bigint, minimum: string): boolean {
  const [major = 0, minor = 0] = minimum.split('.').map(Number);
  const abi = guestPolicyAbi(policy);
  return abi.major > major || (abi.major === major && abi.minor >= minor);
}
