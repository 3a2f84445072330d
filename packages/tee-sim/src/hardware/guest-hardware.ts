/**
 * All that the hardware does for one guest, of whichever TEE: its file tree, its endorsements, and
 * what it was measured as.
 */
import { createHash, randomBytes } from 'node:crypto';
import { concatBytes, utf8 } from '@witan/core';
import type { SnpProduct } from '@witan/attestation';
import type { NamedEndorsements } from '../guest/endorsed.ts';
import type { SnpCollateralPlan, TdxCollateralPlan } from './collateral.ts';
import type { SimulatedHost } from './host.ts';
import { snpGuest } from './reports.ts';
import type { SnpOverrides } from './snp-overrides.ts';
import { tdxGuest } from './tdx-guest.ts';
import type { TdxOverrides } from './tdx-overrides.ts';
import { TsmTree, type TsmFaults } from './tsm-tree.ts';

/** What a guest runs on, and what is not as on a healthy platform. */
export type HardwarePlan =
  | {
      /** Default `snp`. */
      readonly tee?: 'snp';
      /** Default: the product line that the daemon's directory was made for. */
      readonly product?: SnpProduct;
      readonly overrides?: SnpOverrides;
      readonly collateral?: SnpCollateralPlan;
    }
  | {
      readonly tee: 'tdx';
      readonly overrides?: TdxOverrides;
      readonly collateral?: TdxCollateralPlan;
      /** Behave like Linux before 6.16, which tells a guest nothing of itself without the host. */
      readonly withoutLocalMeasurements?: boolean;
    };

/** What is measured when a guest is launched. */
export interface LaunchInputs {
  /** Digest of the program, 48 bytes. */
  readonly program: Uint8Array;
  readonly vcpus: number;
  /** SHA-256 of the initdata. */
  readonly configDigest: Uint8Array;
  /** Name of the processor. */
  readonly chip: string;
}

/** The hardware of a launched guest. */
export interface GuestHardware {
  readonly tee: 'snp' | 'tdx';
  readonly tree: TsmTree;
  readonly endorsements: () => NamedEndorsements;
  /** Launch digest of SEV-SNP, or MRTD. */
  readonly measurement: Uint8Array;
  /** RTMR 0 to 3; empty for SEV-SNP. */
  readonly rtmrs: readonly Uint8Array[];
  /** HOST_DATA or MRCONFIGID. */
  readonly configId: Uint8Array;
}

/** Registers of a TDX guest at launch, 48 bytes each. */
export interface TdMeasurements {
  readonly mrTd: Uint8Array;
  readonly rtmrs: readonly Uint8Array[];
}

const REGISTER_BYTES = 48;

/**
 * What TDX measures. As on real machines MRTD is the firmware's alone and the same for all
 * programs; RTMR 0 is the configuration of the machine, RTMR 1 the kernel (here Node.js), RTMR 2
 * the program, and nobody extends RTMR 3.
 */
export function tdMeasurements(program: Uint8Array, vcpus: number): TdMeasurements {
  return {
    mrTd: sha384(utf8('witan-tee-sim firmware v1')),
    rtmrs: [
      extended(utf8(`processors ${vcpus}`)),
      extended(utf8(`node ${process.version}`)),
      extended(program),
      new Uint8Array(REGISTER_BYTES),
    ],
  };
}

/** MRCONFIGID of an initdata digest: at the left, zeros behind it. */
export function configIdOf(digest: Uint8Array): Uint8Array {
  const id = new Uint8Array(REGISTER_BYTES);
  id.set(digest);
  return id;
}

/** Makes the hardware of one guest. Each call is one launch. */
export function guestHardware(
  host: SimulatedHost,
  { program, vcpus, configDigest, chip }: LaunchInputs,
  plan: HardwarePlan,
  faults: TsmFaults,
): GuestHardware {
  if (plan.tee === 'tdx') {
    const { mrTd, rtmrs } = tdMeasurements(program, vcpus);
    return tdxHardware(
      host,
      { mrTd, rtmrs, mrConfigId: configIdOf(configDigest), chip },
      plan,
      faults,
    );
  }
  const { overrides = {}, collateral, product } = plan;
  const identity = {
    measurement: program,
    hostData: configDigest,
    reportId: new Uint8Array(randomBytes(32)),
    chip,
  };
  const { makeReport, endorsements } = snpGuest(host.snp(product), identity, overrides, collateral);
  return {
    tee: 'snp',
    tree: new TsmTree({ privlevelFloor: overrides.vmpl ?? 0, makeReport, faults }),
    endorsements: () => ({ ...endorsements() }),
    measurement: overrides.measurement ?? program,
    rtmrs: [],
    configId: overrides.hostData ?? configDigest,
  };
}

function tdxHardware(
  host: Pick<SimulatedHost, 'tdx'>,
  identity: Parameters<typeof tdxGuest>[1],
  plan: HardwarePlan & { readonly tee: 'tdx' },
  faults: TsmFaults,
): GuestHardware {
  const { overrides = {}, collateral = {}, withoutLocalMeasurements = false } = plan;
  const guest = tdxGuest(host.tdx, identity, overrides, collateral);
  const forged = [overrides.rtmr0, overrides.rtmr1, overrides.rtmr2, overrides.rtmr3];
  return {
    tee: 'tdx',
    tree: new TsmTree({
      tee: 'tdx',
      privlevelFloor: 0,
      makeReport: guest.quote,
      faults,
      ...(withoutLocalMeasurements ? {} : { localConfigId: identity.mrConfigId }),
    }),
    endorsements: () => ({ ...guest.endorsements() }),
    measurement: overrides.mrTd ?? identity.mrTd,
    rtmrs: identity.rtmrs.map((rtmr, index) => forged[index] ?? rtmr),
    configId: overrides.mrConfigId ?? identity.mrConfigId,
  };
}

function sha384(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha384').update(bytes).digest());
}

/** One extension of a register that was zero: RTMR = SHA-384(RTMR, digest). */
function extended(event: Uint8Array): Uint8Array {
  return sha384(concatBytes(new Uint8Array(REGISTER_BYTES), sha384(event)));
}
