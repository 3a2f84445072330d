/**
 * TCB_VERSION: eight bytes whose meaning depends on the product line (AMD SEV-SNP firmware ABI,
 * TCB_VERSION; KDS specification).
 *
 * Parts are compared one by one. As a 64-bit number the value orders wrongly on Turin, and on the
 * older lines it hides a lower part behind a higher one.
 */
import type { SnpProduct } from './product.ts';

/** Security patch levels, each from 0 to 255. `fmc` exists on Turin only. */
export interface SnpTcb {
  readonly fmc?: number;
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

/** Name of one part of the TCB version. */
export type SnpTcbPart = keyof SnpTcb;

/** The parts in the order in which they are reported. */
export const SNP_TCB_PARTS: readonly SnpTcbPart[] = [
  'fmc',
  'bootloader',
  'tee',
  'snp',
  'microcode',
];

/** Length of TCB_VERSION. */
export const TCB_BYTES = 8;

/** Byte offset of each part. */
const LEGACY: Readonly<Record<Exclude<SnpTcbPart, 'fmc'>, number>> = {
  bootloader: 0,
  tee: 1,
  snp: 6,
  microcode: 7,
};
const TURIN: Readonly<Record<SnpTcbPart, number>> = {
  fmc: 0,
  bootloader: 1,
  tee: 2,
  snp: 3,
  microcode: 7,
};

/**
 * Takes TCB_VERSION apart. Reserved bytes are not looked at.
 *
 * @param tcb the eight bytes as they stand in a report
 */
export function tcbParts(product: SnpProduct, tcb: Uint8Array): SnpTcb {
  const part = (offset: number): number => tcb[offset] ?? 0;
  if (product === 'Turin') {
    return {
      fmc: part(TURIN.fmc),
      bootloader: part(TURIN.bootloader),
      tee: part(TURIN.tee),
      snp: part(TURIN.snp),
      microcode: part(TURIN.microcode),
    };
  }
  return {
    bootloader: part(LEGACY.bootloader),
    tee: part(LEGACY.tee),
    snp: part(LEGACY.snp),
    microcode: part(LEGACY.microcode),
  };
}

/** The inverse of `tcbParts`, with reserved bytes zero. `fmc` is left out where there is none. */
export function tcbBytes(product: SnpProduct, tcb: SnpTcb): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TCB_BYTES);
  const offsets = product === 'Turin' ? TURIN : LEGACY;
  bytes[offsets.bootloader] = tcb.bootloader;
  bytes[offsets.tee] = tcb.tee;
  bytes[offsets.snp] = tcb.snp;
  bytes[offsets.microcode] = tcb.microcode;
  if (product === 'Turin') bytes[TURIN.fmc] = tcb.fmc ?? 0;
  return bytes;
}

/** @returns the parts of `tcb` that are lower than in `minimum`; a missing `fmc` counts as 0 */
export function tcbPartsBelow(tcb: SnpTcb, minimum: SnpTcb): readonly SnpTcbPart[] {
  return SNP_TCB_PARTS.filter((part) => (tcb[part] ?? 0) < (minimum[part] ?? 0));
}

/** One line for people, such as `bootloader 4, tee 0, snp 24, microcode 219`. */
export function tcbText(tcb: SnpTcb): string {
  return SNP_TCB_PARTS.filter((part) => tcb[part] !== undefined)
    .map((part) => `${part} ${String(tcb[part])}`)
    .join(', ');
}
