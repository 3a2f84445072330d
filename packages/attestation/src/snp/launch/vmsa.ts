/**
 * The save area of a vCPU at launch (AMD64 Architecture Programmer's Manual, volume 2, appendix B,
 * table B-4), as the three supported virtual machine monitors fill it.
 */
import { PAGE_BYTES } from './firmware.ts';

/** Virtual machine monitors whose initial register values are known. */
export type VmmKind = 'qemu' | 'ec2' | 'gce';

/** What a save area depends on. */
export interface VmsaPlan {
  readonly vmm: VmmKind;
  /** Where the vCPU starts: CS base and RIP. */
  readonly eip: number;
  /** SEV_FEATURES. */
  readonly guestFeatures: bigint;
  /** CPUID Fn0000_0001 EAX; QEMU puts it into RDX. */
  readonly vcpuSignature: number;
}

/** Where the boot vCPU starts: 16 bytes below 4 GiB. */
export const BOOT_EIP = 0xfffffff0;

interface VmmRegisters {
  readonly csAttributes: number;
  readonly ssAttributes: number;
  readonly trAttributes: number;
  readonly rdx: number;
  readonly mxcsr: number;
  readonly fcw: number;
  readonly pat: bigint;
}

const PAT_DEFAULT = 0x7040600070406n;

function registersOf({ vmm, eip, vcpuSignature }: VmsaPlan): VmmRegisters {
  switch (vmm) {
    case 'qemu':
      return {
        csAttributes: 0x9b,
        ssAttributes: 0x93,
        trAttributes: 0x8b,
        rdx: vcpuSignature,
        mxcsr: 0x1f80,
        fcw: 0x37f,
        pat: PAT_DEFAULT,
      };
    case 'ec2':
      return {
        // The boot vCPU's segment is not yet marked as accessed.
        csAttributes: eip === BOOT_EIP ? 0x9a : 0x9b,
        ssAttributes: 0x92,
        trAttributes: 0x83,
        rdx: 0x600,
        mxcsr: 0,
        fcw: 0,
        pat: PAT_DEFAULT,
      };
    case 'gce':
      return {
        csAttributes: 0x9b,
        ssAttributes: 0x93,
        trAttributes: 0x8b,
        rdx: 0x600,
        mxcsr: 0,
        fcw: 0,
        pat: 0x70106n,
      };
  }
}

/** The page with the save area. */
export function vmsaPage(plan: VmsaPlan): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = new DataView(page.buffer);
  const registers = registersOf(plan);
  const segment = (at: number, selector: number, attributes: number, base = 0): void => {
    view.setUint16(at, selector, true);
    view.setUint16(at + 2, attributes, true);
    view.setUint32(at + 4, 0xffff, true);
    view.setBigUint64(at + 8, BigInt(base), true);
  };
  const quad = (at: number, value: bigint): void => {
    view.setBigUint64(at, value, true);
  };
  const data = 0x93;
  segment(0x00, 0, data);
  segment(0x10, 0xf000, registers.csAttributes, (plan.eip & 0xffff0000) >>> 0);
  segment(0x20, 0, registers.ssAttributes);
  for (const at of [0x30, 0x40, 0x50]) segment(at, 0, data);
  segment(0x60, 0, 0);
  segment(0x70, 0, 0x82);
  segment(0x80, 0, 0);
  segment(0x90, 0, registers.trAttributes);
  quad(0xd0, 0x1000n); // EFER.SVME
  quad(0x148, 0x40n); // CR4.MCE
  quad(0x158, 0x10n); // CR0.ET
  quad(0x160, 0x400n); // DR7
  quad(0x168, 0xffff0ff0n); // DR6
  quad(0x170, 0x2n); // RFLAGS
  quad(0x178, BigInt(plan.eip & 0xffff)); // RIP
  quad(0x268, registers.pat);
  quad(0x310, BigInt(registers.rdx));
  quad(0x3b0, plan.guestFeatures);
  quad(0x3e8, 0x1n); // XCR0
  view.setUint32(0x408, registers.mxcsr, true);
  view.setUint16(0x410, registers.fcw, true);
  return page;
}
