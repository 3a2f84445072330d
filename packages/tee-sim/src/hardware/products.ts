/** Default properties of the simulated processors, taken from real evidence of each line. */
import type { SnpCpuid, SnpFirmware, SnpProduct, SnpTcb } from '@witan/attestation';

/** A processor with its firmware. */
export interface Platform {
  readonly cpuid: SnpCpuid;
  readonly tcb: SnpTcb;
  readonly firmware: SnpFirmware;
  /** Mask of active firmware mitigations (report version 5). */
  readonly mitigations: bigint;
  readonly platformInfo: bigint;
}

const FIRMWARE: SnpFirmware = { major: 1, minor: 55, build: 35 };

export const PLATFORMS: Readonly<Record<SnpProduct, Platform>> = {
  Milan: {
    cpuid: { family: 0x19, model: 0x01, stepping: 1 },
    tcb: { bootloader: 4, tee: 0, snp: 24, microcode: 219 },
    firmware: FIRMWARE,
    mitigations: 0xbn,
    platformInfo: 0x25n,
  },
  Genoa: {
    cpuid: { family: 0x19, model: 0x11, stepping: 1 },
    tcb: { bootloader: 10, tee: 0, snp: 23, microcode: 84 },
    firmware: FIRMWARE,
    mitigations: 0xbn,
    platformInfo: 0x25n,
  },
  Turin: {
    cpuid: { family: 0x1a, model: 0x02, stepping: 1 },
    tcb: { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 },
    firmware: FIRMWARE,
    mitigations: 0x3fn,
    // Bit 6 is reserved in AMD's documents and set on real processors of this line.
    platformInfo: 0x65n,
  },
};
