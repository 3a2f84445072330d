/**
 * A simulated guest without a process of its own: for tests that need many verifiable guests fast.
 * Evidence passes through the same file tree and the same provider as in a launched guest.
 */
import { randomBytes } from 'node:crypto';
import { createTsmProvider } from '@witan/attester';
import type { EvidenceProvider, TsmFileSystem } from '@witan/attester';
import { Chips } from './hardware/chips.ts';
import type { GuestOverrides } from './hardware/overrides.ts';
import { reportMaker } from './hardware/reports.ts';
import { TsmTree, type TsmFaults, type TsmResult } from './hardware/tsm-tree.ts';
import type { Hierarchy } from './hierarchy/store.ts';
import { errnoError, withinLimit } from './wire/errno.ts';

/** The guest to imitate. */
export interface InProcessGuest {
  /** 48 bytes. */
  readonly measurement: Uint8Array;
  /** 32 bytes. */
  readonly hostData: Uint8Array;
  /** Default `chip-0`. */
  readonly chip?: string;
  readonly overrides?: GuestOverrides;
  readonly faults?: TsmFaults;
}

/** Each call is one launch, with an own REPORT_ID. */
export function inProcessEvidenceProvider(
  hierarchy: Hierarchy,
  guest: InProcessGuest,
): EvidenceProvider {
  const { measurement, hostData, chip = 'chip-0', overrides = {}, faults = {} } = guest;
  const reportId = new Uint8Array(randomBytes(32));
  const identity = { measurement, hostData, reportId, chip };
  const tree = new TsmTree({
    privlevelFloor: overrides.vmpl ?? 0,
    makeReport: reportMaker(hierarchy, new Chips(hierarchy), identity, overrides),
    faults,
  });
  const provider = createTsmProvider({ fs: treeFileSystem(tree) });
  const { rootCertificate: root, revocationList: crl } = hierarchy;
  return {
    kind: provider.kind,
    collect: async (reportData, options) => {
      const evidence = await provider.collect(reportData, options);
      return { ...evidence, endorsements: { ...evidence.endorsements, root, crl } };
    },
  };
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
