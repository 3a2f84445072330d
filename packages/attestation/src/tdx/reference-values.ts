/**
 * Reference values for TDX: what a manifest demands of a guest's quote.
 *
 * The object is plain JSON. `parseTdxReferenceValues` fills in the defaults, which are always the
 * stricter choice, and refuses unknown fields. Every list is an allow list. A measurement register
 * that shall not be checked must say so with the text `any`.
 */
import { ObjectReader, type Any } from '../schema.ts';
import type { LevelStatus } from './collateral.ts';
import type { TdxTcbStatus } from './tcb.ts';

/** A status that reference values may accept. */
export type AcceptableTdxStatus = Exclude<TdxTcbStatus, 'Revoked' | 'NotSupported'>;

/** Reference values of one kind of guest, with all defaults filled in. */
export interface TdxReferenceValues {
  readonly tee: 'tdx';
  /** Accepted build-time measurements, 48 bytes each in lower-case hex. At least one. */
  readonly mrTd: readonly string[];
  /** Firmware configuration: changes with memory size and number of processors. */
  readonly rtmr0: readonly string[] | Any;
  /** Boot loader and kernel. */
  readonly rtmr1: readonly string[] | Any;
  /** Command line and initial file system. */
  readonly rtmr2: readonly string[] | Any;
  /** Extended by the application. */
  readonly rtmr3: readonly string[] | Any;
  /** The only accepted MRCONFIGID, 48 bytes in hex. */
  readonly mrConfigId: string;
  /** The only accepted MROWNER. Default zeros. */
  readonly mrOwner: string;
  /** The only accepted MROWNERCONFIG. Default zeros. */
  readonly mrOwnerConfig: string;
  /** Accepted MRSERVICETD. Default zeros only. */
  readonly mrServiceTd: readonly string[];
  /** Accepted digests of the TDX module. Default: whatever Intel's identity accepts. */
  readonly mrSeam?: readonly string[];
  /** Accepted ratings. Default `UpToDate` only. */
  readonly tcbStatuses: readonly AcceptableTdxStatus[];
  /** Advisories that an accepted rating other than `UpToDate` may name. Default none. */
  readonly advisoriesTolerated: readonly string[];
  /** How many days after the date of its level an out-of-date platform passes. Default 0. */
  readonly outOfDateGraceDays: number;
  /** Lowest accepted tcbEvaluationDataNumber of the collateral. Default 0. */
  readonly minimumTcbEvaluationDataNumber: number;
  /** Accept a TD that its host may debug or profile. Default false. */
  readonly debug: boolean;
  /** Accept a TD without SEPT_VE_DISABLE. Default false. */
  readonly septVeClear: boolean;
  /** Accept a TD that may be migrated. Default false. */
  readonly migratable: boolean;
  /** Accept a TD that uses performance monitoring. Default false. */
  readonly perfmon: boolean;
  /** Accept platforms with SMT. Default true. */
  readonly smt: boolean;
  /** Accept platforms that may change after their registration. Default true. */
  readonly dynamicPlatform: boolean;
  /** Accept platforms whose keys Intel keeps. Default true. */
  readonly cachedKeys: boolean;
  /** Accepted platforms: platform instance ids, 16 bytes in hex. */
  readonly platformInstanceIds?: readonly string[];
  /** SHA-256 of development root certificates that are accepted, hex (invariant I11). */
  readonly developmentRoots?: readonly string[];
}

const ZERO_DIGEST: string = '00'.repeat(48);
const GRACE_DAYS_MAX = 3650;

const STATUSES: readonly AcceptableTdxStatus[] = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
];

/** Ratings that pass only within the grace period. */
export const GRACE_STATUSES: readonly (AcceptableTdxStatus | LevelStatus)[] = [
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
];

/**
 * Validates reference values and fills in defaults. Applying it to its own result changes nothing.
 *
 * @param value parsed JSON
 * @param path where the value stands in its document, for error messages
 * @throws AttestationError REFERENCE_VALUES_INVALID with `path`, `expected` and `found`
 */
export function parseTdxReferenceValues(value: unknown, path: string): TdxReferenceValues {
  const reader = new ObjectReader(value, path);
  const parsed: TdxReferenceValues = {
    tee: reader.choice('tee', ['tdx']),
    mrTd: reader.hexList('mrTd', 48),
    rtmr0: reader.hexListOrAny('rtmr0', 48),
    rtmr1: reader.hexListOrAny('rtmr1', 48),
    rtmr2: reader.hexListOrAny('rtmr2', 48),
    rtmr3: reader.hexListOrAny('rtmr3', 48),
    mrConfigId: reader.hex('mrConfigId', 48),
    mrOwner: reader.hex('mrOwner', 48, ZERO_DIGEST),
    mrOwnerConfig: reader.hex('mrOwnerConfig', 48, ZERO_DIGEST),
    mrServiceTd: reader.hexList('mrServiceTd', 48, [ZERO_DIGEST]),
    ...reader.ifPresent('mrSeam', () => ({ mrSeam: reader.hexList('mrSeam', 48) })),
    tcbStatuses: reader.choices('tcbStatuses', STATUSES, ['UpToDate'], 1),
    advisoriesTolerated: reader.textList('advisoriesTolerated', 0, []),
    outOfDateGraceDays: reader.integer('outOfDateGraceDays', GRACE_DAYS_MAX, 0),
    minimumTcbEvaluationDataNumber: reader.integer('minimumTcbEvaluationDataNumber', 0x7fffffff, 0),
    debug: reader.boolean('debug', false),
    septVeClear: reader.boolean('septVeClear', false),
    migratable: reader.boolean('migratable', false),
    perfmon: reader.boolean('perfmon', false),
    smt: reader.boolean('smt', true),
    dynamicPlatform: reader.boolean('dynamicPlatform', true),
    cachedKeys: reader.boolean('cachedKeys', true),
    ...reader.ifPresent('platformInstanceIds', () => ({
      platformInstanceIds: reader.hexList('platformInstanceIds', 16),
    })),
    ...reader.ifPresent('developmentRoots', () => ({
      developmentRoots: reader.hexList('developmentRoots', 32),
    })),
  };
  reader.end();
  return parsed;
}
