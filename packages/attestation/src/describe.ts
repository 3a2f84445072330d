/**
 * Why evidence was refused, in words for an operator: which check, what it expected and found, and
 * what to do. For local logs and for whoever verifies; a refused peer gets a code and no more.
 */
import type { AppraisalResult, Refusal } from './appraise.ts';
import type { Check } from './claims.ts';
import type { AttestationErrorCode } from './errors.ts';

/** Of a long list of reference values the closest are told about. */
const REFUSALS_SHOWN = 3;
const CHECKS_SHOWN = 4;

/** What to do, where the code's own text does not already say it. */
const NEXT_STEPS: { readonly [Code in AttestationErrorCode]?: string } = {
  APPRAISAL_NO_REFERENCE_VALUES: 'list reference values for this guest in the manifest',
  APPRAISAL_TEE_MISMATCH:
    'add an entry for this TEE to the manifest, or use a machine of the other',
  SNP_TCB_BELOW_MINIMUM: "update the host's firmware, or lower minimumTcb knowingly",
  SNP_FIRMWARE_PROVISIONAL: "commit the host's firmware, or set provisionalFirmware knowingly",
  SNP_POLICY_DEBUG: 'launch the guest with a policy that forbids DEBUG',
  SNP_POLICY_MIGRATION: 'launch the guest with a policy that forbids MIGRATE_MA',
  SNP_MIGRATION_AGENT: 'launch the guest without a migration agent',
  SNP_POLICY_DEMAND: 'launch the guest with a policy that meets the demands',
  SNP_VMPL: 'request the report at the demanded level, or change vmpl in the reference values',
  SNP_MEASUREMENT: 'run the program that the manifest lists, or list the digest of this one',
  SNP_HOST_DATA: 'launch the guest with the initdata that was generated for this manifest',
  SNP_PRODUCT_NOT_ALLOWED: 'run on a listed product line, or add this one to products',
  SNP_CHIP_NOT_ALLOWED: 'run on a listed processor, or add this one to chipIds',
  SNP_DEVELOPMENT_ROOT: 'this is a simulated TEE; list its root for development only',
  SNP_ROOT_UNTRUSTED: 'run on genuine AMD hardware; a simulated TEE needs its root listed',
  SNP_CRL_MISSING: "give AMD's revocation list along with the evidence",
  SNP_CRL_VALIDITY: "fetch AMD's current revocation list, and check the clock",
  SNP_CA_REVOKED: 'move the guest to other hardware: AMD withdrew the authority of this one',
  SNP_VEK_VALIDITY: 'fetch the certificate of the chip again from AMD KDS, and check the clock',
  SNP_ENDORSEMENT_MISSING: 'fetch the missing certificate from AMD KDS',
  TDX_TCB_STATUS: "update the host's firmware and TDX module, or accept the rating knowingly",
  TDX_ADVISORIES: 'mitigate the advisories, or list them in advisoriesTolerated knowingly',
  TDX_TCB_REVOKED: 'move the guest to other hardware: Intel revoked the TCB of this one',
  TDX_TCB_NOT_SUPPORTED: "update the host's firmware: it is below every level that Intel lists",
  TDX_TCB_EVALUATION_NUMBER: 'fetch collateral of a later TCB recovery',
  TDX_DEBUG: 'launch the guest without DEBUG and without profiling',
  TDX_ATTRIBUTES: 'launch the guest with other attributes, or permit these knowingly',
  TDX_PCK_REVOKED: 'move the guest to other hardware: Intel revoked the key of this platform',
  TDX_CA_REVOKED: 'move the guest to other hardware: Intel revoked the authority of this one',
  TDX_TCB_SIGNER_REVOKED: "fetch Intel's collateral again: its signer was revoked",
  TDX_PCK_VALIDITY: 'provision the platform again for a current PCK certificate',
  TDX_CRL_VALIDITY: "fetch Intel's current revocation lists, and check the clock",
  TDX_TCB_INFO_VALIDITY: "fetch Intel's current TCB info, and check the clock",
  TDX_QE_IDENTITY_VALIDITY: "fetch Intel's current enclave identity, and check the clock",
  TDX_COLLATERAL_MISSING: "fetch Intel's collateral for this platform",
  TDX_CONFIG_ID: 'launch the guest with the initdata that was generated for this manifest',
  TDX_MRTD: 'run the firmware that the manifest lists, or list the MRTD of this one',
  TDX_RTMR: 'run the image that the manifest lists, or list the registers of this one',
  TDX_DEVELOPMENT_ROOT: 'this is a simulated TEE; list its root for development only',
  TDX_ROOT_UNTRUSTED: 'run on genuine Intel hardware; a simulated TEE needs its root listed',
  TDX_PLATFORM_NOT_ALLOWED: 'run on a listed platform, or add this one to platformInstanceIds',
};

/**
 * One line: for each of the closest entries the checks that failed, with expected and found values,
 * and what to do about the first. Never a secret.
 */
export function describeRefusal({
  code,
  refusals,
}: AppraisalResult & { readonly kind: 'refused' }): string {
  if (refusals.length === 0) return withNextStep(code, code);
  const closest = refusals.toSorted((left, right) => rank(left, code) - rank(right, code));
  const told = closest.slice(0, REFUSALS_SHOWN).map((refusal) => {
    const text = failedChecks(refusal).slice(0, CHECKS_SHOWN).map(describeCheck).join('; ');
    return refusals.length === 1 ? text : `entry ${refusal.entryIndex}: ${text}`;
  });
  const more = refusals.length - told.length;
  return withNextStep(code, `${told.join(' | ')}${more > 0 ? ` | and ${more} entries more` : ''}`);
}

/** The entry that gave the verdict its code comes first. */
function rank(refusal: Refusal, code: AttestationErrorCode): number {
  return refusal.code === code ? 0 : 1;
}

function failedChecks({ code, detail, checks }: Refusal): readonly Check[] {
  const failed = checks.filter(({ passed }) => !passed);
  if (failed.length > 0) return failed;
  const shown = Object.entries(detail).map(([name, value]) => `${name} ${String(value)}`);
  return [{ code, passed: false, found: shown.join(', ') }];
}

function describeCheck({ code, expected, found }: Check): string {
  const parts = [
    ...(expected === undefined ? [] : [`expected ${withDates(expected)}`]),
    ...(found === undefined || found === '' ? [] : [`found ${withDates(found)}`]),
  ];
  return parts.length === 0 ? code : `${code} (${parts.join(', ')})`;
}

function withNextStep(code: AttestationErrorCode, text: string): string {
  const step = NEXT_STEPS[code];
  return step === undefined ? text : `${text}. Next: ${step}`;
}

/** Checks name times in milliseconds since 1970; people read dates. */
function withDates(text: string): string {
  return text
    .replaceAll(
      /\b(\d{1,14}) to (\d{1,14}) ms\b/g,
      (_, from: string, to: string) => `${iso(from)} to ${iso(to)}`,
    )
    .replaceAll(/\b(\d{1,14}) ms\b/g, (_, millis: string) => iso(millis));
}

/** ISO 8601 in UTC to the second, without a date library (days to civil date). */
function iso(millis: string): string {
  const seconds = Math.floor(Number(millis) / 1000);
  const days = Math.floor(seconds / 86_400);
  // March is the first month here, so that the leap day is the last of its year.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const two = (value: number): string => String(value).padStart(2, '0');
  const rest = seconds - days * 86_400;
  const [hour, minute] = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60];
  return `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(rest % 60)}Z`;
}
