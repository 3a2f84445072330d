/**
 * A simulated guest without a process of its own: for tests that need many verifiable guests fast.
 * Evidence passes through the same file tree and the same provider as in a launched guest.
 */
import { randomBytes } from 'node:crypto';
import { createTsmProvider } from '@witan/attester';
import type { EvidenceProvider, TsmFileSystem } from '@witan/attester';
import { withEndorsements } from './guest/endorsed.ts';
import { Chips } from './hardware/chips.ts';
import type { SnpCollateralPlan, TdxCollateralPlan } from './hardware/collateral.ts';
import type { TdMeasurements } from './hardware/guest-hardware.ts';
import { snpGuest } from './hardware/reports.ts';
import type { SnpOverrides } from './hardware/snp-overrides.ts';
import { tdxGuest } from './hardware/tdx-guest.ts';
import type { TdxOverrides } from './hardware/tdx-overrides.ts';
import { TsmTree, type TsmFaults, type TsmResult } from './hardware/tsm-tree.ts';
import type { Hierarchy } from './hierarchy/store.ts';
import type { TdxRoot } from './hierarchy/tdx-store.ts';
import { errnoError, withinLimit } from './wire/errno.ts';

/** The SEV-SNP guest to imitate. */
export interface InProcessGuest {
  /** 48 bytes. */
  readonly measurement: Uint8Array;
  /** 32 bytes. */
  readonly hostData: Uint8Array;
  /** Default `chip-0`. */
  readonly chip?: string;
  readonly overrides?: SnpOverrides;
  readonly collateral?: SnpCollateralPlan;
  readonly faults?: TsmFaults;
}

/** The TDX guest to imitate. */
export interface InProcessTdxGuest extends TdMeasurements {
  /** 48 bytes. */
  readonly mrConfigId: Uint8Array;
  /** Default `chip-0`. */
  readonly chip?: string;
  readonly overrides?: TdxOverrides;
  readonly collateral?: TdxCollateralPlan;
  readonly faults?: TsmFaults;
  /** Behave like Linux before 6.16. Default false. */
  readonly withoutLocalMeasurements?: boolean;
}

/** Each call is one launch, with an own REPORT_ID. */
export function inProcessEvidenceProvider(
  hierarchy: Hierarchy,
  guest: InProcessGuest,
): EvidenceProvider {
  const { measurement, hostData, chip = 'chip-0', overrides = {}, faults = {} } = guest;
  const reportId = new Uint8Array(randomBytes(32));
  const identity = { measurement, hostData, reportId, chip };
  const host = { hierarchy, chips: new Chips(hierarchy) };
  const { makeReport, endorsements } = snpGuest(host, identity, overrides, guest.collateral);
  const tree = new TsmTree({ privlevelFloor: overrides.vmpl ?? 0, makeReport, faults });
  const provider = createTsmProvider({ fs: treeFileSystem(tree) });
  return withEndorsements(provider, async () => await Promise.resolve({ ...endorsements() }));
}

/** Each call is one launch. */
export function inProcessTdxProvider(
  root: TdxRoot,
  guest: InProcessTdxGuest,
): EvidenceProvider<'tdx'> {
  const { mrTd, rtmrs, mrConfigId, chip = 'chip-0', overrides = {}, faults = {} } = guest;
  const identity = { mrTd, rtmrs, mrConfigId, chip };
  const { quote, endorsements } = tdxGuest(root, identity, overrides, guest.collateral ?? {});
  const tree = new TsmTree({
    tee: 'tdx',
    privlevelFloor: 0,
    makeReport: quote,
    faults,
    ...(guest.withoutLocalMeasurements === true ? {} : { localConfigId: mrConfigId }),
  });
  const provider = createTsmProvider({ fs: treeFileSystem(tree), accept: ['tdx'] });
  return withEndorsements(provider, async () => await Promise.resolve({ ...endorsements() }));
}

/** A file tree as the port that attester works on. */
export function treeFileSystem(tree: TsmTree): TsmFileSystem {
  const done = async (path: string, result: TsmResult): Promise<void> => {
    if (result.kind === 'errno') throw errnoError(path, result.errno);
    await Promise.resolve();
  };
  return {
    mkdir: async (path) => await done(path, tree.mkdir(path)),
    rmdir: async (path) => await done(path, tree.rmdir(path)),
    writeFile: async (path, data) => await done(path, tree.write(path, data)),
    readFile: async (path, bytesMax) => {
      const result = tree.read(path);
      if (result.kind !== 'data') {
        throw errnoError(path, result.kind === 'errno' ? result.errno : 'EIO');
      }
      return await Promise.resolve(withinLimit(path, result.data, bytesMax));
    },
  };
}
