/**
 * Rating of a TDX platform: levels of platform, module and quoting enclave, their merge, and the
 * relaunch rule (Intel SGX and TDX DCAP quote verification library, order of its checks).
 */
import type { TcbStatus } from '../claims.ts';
import type {
  EnclaveLevel,
  LevelRating,
  LevelStatus,
  ModuleIdentity,
  PlatformLevel,
} from './collateral.ts';

/** A rating, or `NotSupported` when the TCB is below every level that Intel lists. */
export type TdxTcbStatus = Exclude<TcbStatus, 'NotRated'> | 'NotSupported';

/** What has to be rated. */
export interface TdxTcb {
  /** 16 component SVNs of the PCK certificate. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  readonly teeTcbSvn: Uint8Array;
  /** TDX 1.5 only. */
  readonly teeTcbSvn2: Uint8Array | undefined;
  readonly qeIsvSvn: number;
}

/** The levels of a TCB info and a quoting enclave identity, from new to old. */
export interface TdxLevels {
  readonly platform: readonly PlatformLevel[];
  readonly moduleIdentities: readonly ModuleIdentity[];
  readonly quotingEnclave: readonly EnclaveLevel[];
}

/** The rating with the levels that led to it; undefined where no level fits. */
export interface TdxRating {
  readonly status: TdxTcbStatus;
  readonly advisories: readonly string[];
  readonly sgx: PlatformLevel | undefined;
  readonly platform: PlatformLevel | undefined;
  /** `not-applicable` for modules of major version 0, which the platform level covers. */
  readonly module: LevelRating | undefined | 'not-applicable';
  readonly quotingEnclave: LevelRating | undefined;
}

const CONFIGURATION: readonly TdxTcbStatus[] = [
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
];
const CURRENT: readonly TdxTcbStatus[] = ['UpToDate', 'SWHardeningNeeded', ...CONFIGURATION];
const OUT_OF_DATE: readonly TdxTcbStatus[] = ['OutOfDate', 'OutOfDateConfigurationNeeded'];

/** Rates a platform at its TCB. */
export function rateTdx(tcb: TdxTcb, levels: TdxLevels): TdxRating {
  const sgx = levels.platform.find((level) => reachesSgx(tcb, level));
  const platform = levels.platform.find(
    (level) => reachesSgx(tcb, level) && reachesTdx(tcb, level),
  );
  const moduleVersion = tcb.teeTcbSvn[1] ?? 0;
  const module =
    moduleVersion === 0
      ? 'not-applicable'
      : levelAt(
          moduleIdentityOf(levels.moduleIdentities, moduleVersion)?.levels ?? [],
          tcb.teeTcbSvn[0] ?? 0,
        );
  const quotingEnclave = levelAt(levels.quotingEnclave, tcb.qeIsvSvn);
  const withModule =
    module === 'not-applicable'
      ? statusOf(platform)
      : mergeTcbStatus(statusOf(platform), statusOf(module));
  const advised = relaunchAdvised(
    tcb,
    levels,
    withModule,
    { sgx: statusOf(sgx), qe: statusOf(quotingEnclave) },
    module === 'not-applicable' ? 'UpToDate' : statusOf(module),
  );
  const rated = [platform, module === 'not-applicable' ? undefined : module, quotingEnclave];
  return {
    status: mergeTcbStatus(advised, statusOf(quotingEnclave)),
    advisories: [...new Set(rated.flatMap((level) => level?.advisories ?? []))].toSorted(),
    sgx,
    platform,
    module,
    quotingEnclave,
  };
}

/** The identity of a module of a major version, or undefined. */
export function moduleIdentityOf(
  identities: readonly ModuleIdentity[],
  majorVersion: number,
): ModuleIdentity | undefined {
  const id = `TDX_${majorVersion.toString(16).padStart(2, '0').toUpperCase()}`;
  return identities.find((identity) => identity.id === id);
}

/** Merges the status of a part into the status so far; the worse of both wins. */
export function mergeTcbStatus(status: TdxTcbStatus, part: TdxTcbStatus): TdxTcbStatus {
  if (part === 'Revoked' || status === 'Revoked') return 'Revoked';
  if (part === 'NotSupported') return 'NotSupported';
  if (part !== 'OutOfDate') return status;
  if (status === 'UpToDate' || status === 'SWHardeningNeeded') return 'OutOfDate';
  return CONFIGURATION.includes(status) ? 'OutOfDateConfigurationNeeded' : status;
}

/**
 * TDX 1.5: the running module was updated and only the TD was launched on an old one. Relaunching
 * the TD then suffices.
 */
function relaunchAdvised(
  tcb: TdxTcb,
  levels: TdxLevels,
  merged: TdxTcbStatus,
  parts: { readonly sgx: TdxTcbStatus; readonly qe: TdxTcbStatus },
  module: TdxTcbStatus,
): TdxTcbStatus {
  const running = tcb.teeTcbSvn2;
  const blocked = ['OutOfDate', 'Revoked', 'NotSupported'].includes(parts.qe);
  if (running === undefined || blocked) return merged;
  if (!CURRENT.includes(parts.sgx) || !OUT_OF_DATE.includes(merged)) return merged;
  if (module !== 'OutOfDate' || !isNewest(running, levels)) return merged;
  const configure = merged === 'OutOfDateConfigurationNeeded' || CONFIGURATION.includes(parts.sgx);
  return configure ? 'TDRelaunchAdvisedConfigurationNeeded' : 'TDRelaunchAdvised';
}

function isNewest(running: Uint8Array, levels: TdxLevels): boolean {
  const newest = levels.platform[0];
  const [svn = 0, majorVersion = 0, loader = 0] = running;
  if (newest === undefined || loader < (newest.tdx[2] ?? 0)) return false;
  if (majorVersion === 0) return svn >= (newest.tdx[0] ?? 0);
  const identity = moduleIdentityOf(levels.moduleIdentities, majorVersion);
  const newestModule = identity?.levels[0];
  return newestModule !== undefined && svn >= newestModule.isvSvn;
}

function reachesSgx(tcb: TdxTcb, level: PlatformLevel): boolean {
  return (
    level.sgx.every((svn, index) => (tcb.components[index] ?? 0) >= svn) &&
    tcb.pceSvn >= level.pceSvn
  );
}

/** The first two SVNs are the module's; from major version 1 on the module identity rates them. */
function reachesTdx(tcb: TdxTcb, level: PlatformLevel): boolean {
  const from = (tcb.teeTcbSvn[1] ?? 0) > 0 ? 2 : 0;
  return level.tdx.every((svn, index) => index < from || (tcb.teeTcbSvn[index] ?? 0) >= svn);
}

function levelAt(levels: readonly EnclaveLevel[], isvSvn: number): EnclaveLevel | undefined {
  return levels.find((level) => isvSvn >= level.isvSvn);
}

function statusOf(level: LevelRating | undefined): LevelStatus | 'NotSupported' {
  return level?.status ?? 'NotSupported';
}
