/**
 * A genuine quote against reference values: part M of the order of checks. All of them are made,
 * so that a person sees everything that has to change at once.
 */
import { bytesEqual, toHex, type UnixMillis } from '@witan/core';
import type { CheckList } from '../check-list.ts';
import type { AttestationErrorCode } from '../errors.ts';
import { tdAttributesHave, tdAttributesHaveReserved, xfamIsAllowed } from './attributes.ts';
import type { TdxClaims } from './claims.ts';
import type { GenuineTdx } from './genuine.ts';
import { GRACE_STATUSES, type TdxReferenceValues } from './reference-values.ts';

const DAY_MS: number = 24 * 3600 * 1000;

/**
 * Makes every check of the reference values.
 *
 * @param expectedReportData the 64 bytes that the quote must carry
 */
export function judgeTdx(
  { quote, claims }: GenuineTdx,
  reference: TdxReferenceValues,
  expectedReportData: Uint8Array,
  now: UnixMillis,
  checks: CheckList,
): void {
  checks.judge(
    'TDX_DEVELOPMENT_ROOT',
    !claims.simulated || (reference.developmentRoots ?? []).includes(claims.rootFingerprint),
    'a production root, or one of developmentRoots',
    claims.rootFingerprint,
  );
  judgeTcb(claims, reference, now, checks);
  judgeAttributes(quote.body.tdAttributes, claims, reference, checks);
  checks.judge('TDX_XFAM', xfamIsAllowed(quote.body.xfam), 'bits of 0x6dbe7', claims.xfam);
  judgePlatform(claims, reference, checks);
  judgeMeasurements(claims, reference, checks);
  checks.judge(
    'TDX_REPORT_DATA',
    bytesEqual(quote.body.reportData, expectedReportData),
    toHex(expectedReportData),
    claims.reportData,
  );
}

function judgeTcb(
  claims: TdxClaims,
  reference: TdxReferenceValues,
  now: UnixMillis,
  checks: CheckList,
): void {
  const status = claims.tcbStatus;
  const listed = reference.tcbStatuses.some((accepted) => accepted === status);
  const graceEnds = claims.tcbDate + reference.outOfDateGraceDays * DAY_MS;
  const inTime = !GRACE_STATUSES.some((graced) => graced === status) || now <= graceEnds;
  checks.judge(
    'TDX_TCB_STATUS',
    listed && inTime,
    listed ? `until ${graceEnds} ms` : reference.tcbStatuses.join(' or '),
    status,
  );
  const unknown =
    status === 'UpToDate'
      ? []
      : claims.advisories.filter((id) => !reference.advisoriesTolerated.includes(id));
  checks.judge(
    'TDX_ADVISORIES',
    unknown.length === 0,
    reference.advisoriesTolerated.join(', '),
    claims.advisories.join(', '),
  );
  if (listed && status !== 'UpToDate') checks.note('tcb-not-up-to-date', status);
  const number = claims.tcbEvaluationDataNumber;
  checks.judge(
    'TDX_TCB_EVALUATION_NUMBER',
    number >= reference.minimumTcbEvaluationDataNumber,
    `at least ${reference.minimumTcbEvaluationDataNumber}`,
    number,
  );
}

function judgeAttributes(
  attributes: bigint,
  claims: TdxClaims,
  reference: TdxReferenceValues,
  checks: CheckList,
): void {
  const found = claims.tdAttributes;
  checks.judge('TDX_DEBUG', !claims.debug || reference.debug, 'bits 7:0 clear', found);
  if (claims.debug) checks.note('debug-permitted', 'the host may read the memory of the guest');
  const reserved = tdAttributesHaveReserved(attributes);
  checks.judge('TDX_ATTRIBUTES_RESERVED', !reserved, 'known bits only', found);
  const wrong: string[] = [];
  if (!tdAttributesHave(attributes, 'septVeDisable') && !reference.septVeClear) {
    wrong.push('SEPT_VE_DISABLE set');
  }
  if (tdAttributesHave(attributes, 'migratable') && !reference.migratable) {
    wrong.push('MIGRATABLE clear');
  }
  if (tdAttributesHave(attributes, 'perfmon') && !reference.perfmon) wrong.push('PERFMON clear');
  const expected = wrong.length === 0 ? 'demands met' : wrong.join(', ');
  checks.judge('TDX_ATTRIBUTES', wrong.length === 0, expected, found);
}

function judgePlatform(claims: TdxClaims, reference: TdxReferenceValues, checks: CheckList): void {
  const flags = ['smt', 'dynamicPlatform', 'cachedKeys'] as const;
  const { smtEnabled: smt, dynamicPlatform, cachedKeys } = claims;
  const found = { smt, dynamicPlatform, cachedKeys };
  // A certificate that says nothing does not meet a demand.
  const wrong = flags.filter((flag) => !reference[flag] && found[flag] !== false);
  checks.judge(
    'TDX_PLATFORM_FLAGS',
    wrong.length === 0,
    wrong.length === 0 ? 'demands met' : wrong.map((flag) => `not ${flag}`).join(', '),
    flags.map((flag) => `${flag} ${String(found[flag])}`).join(', '),
  );
  const { platformInstanceIds } = reference;
  if (platformInstanceIds === undefined) return;
  const id = claims.hardwareId ?? 'none';
  allow('TDX_PLATFORM_NOT_ALLOWED', platformInstanceIds, id, checks);
}

function judgeMeasurements(
  claims: TdxClaims,
  reference: TdxReferenceValues,
  checks: CheckList,
): void {
  const measured = new Map(claims.measurements.map(({ name, value }) => [name, value]));
  allow('TDX_MRTD', reference.mrTd, measured.get('mrTd') ?? '', checks);
  for (const name of ['rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'] as const) {
    const accepted = reference[name];
    if (accepted === 'any') checks.note('register-unchecked', name);
    else allow('TDX_RTMR', accepted, measured.get(name) ?? '', checks);
  }
  if (reference.mrSeam !== undefined) allow('TDX_MRSEAM', reference.mrSeam, claims.mrSeam, checks);
  allow('TDX_CONFIG_ID', [reference.mrConfigId], claims.configDigest, checks);
  allow('TDX_OWNER', [reference.mrOwner], claims.mrOwner, checks);
  allow('TDX_OWNER', [reference.mrOwnerConfig], claims.mrOwnerConfig, checks);
  allow('TDX_SERVICE_TD', reference.mrServiceTd, claims.mrServiceTd, checks);
}

function allow(
  code: AttestationErrorCode,
  allowed: readonly string[],
  found: string,
  checks: CheckList,
): void {
  const [first = '', ...more] = allowed;
  const expected = more.length === 0 ? first : `one of ${allowed.length}, first ${first}`;
  checks.judge(code, allowed.includes(found), expected, found);
}
