/**
 * Bits of TDATTRIBUTES and XFAM (Intel TDX module base architecture specification).
 */

/** Bit numbers of TDATTRIBUTES that are named here. Bits 7:0 all make a TD untrusted. */
export const TD_ATTRIBUTE_BITS = {
  icssd: 16,
  lass: 27,
  septVeDisable: 28,
  migratable: 29,
  protectionKeys: 30,
  keyLocker: 31,
  tpa: 62,
  perfmon: 63,
} as const;

/** Name of a bit of TDATTRIBUTES. */
export type TdAttribute = keyof typeof TD_ATTRIBUTE_BITS;

const UNTRUSTED = 0xffn;
const KNOWN: bigint = Object.values(TD_ATTRIBUTE_BITS).reduce(
  (mask, bit) => mask | (1n << BigInt(bit)),
  UNTRUSTED,
);

/** x87 and SSE, which every TD has. */
const XFAM_FIXED_ONE = 0x3n;
const XFAM_ALLOWED = 0x6dbe7n;

/** Whether TDATTRIBUTES has the flag. */
export function tdAttributesHave(attributes: bigint, flag: TdAttribute): boolean {
  return ((attributes >> BigInt(TD_ATTRIBUTE_BITS[flag])) & 1n) === 1n;
}

/** Whether a bit without a name is set. */
export function tdAttributesHaveReserved(attributes: bigint): boolean {
  return (attributes & ~KNOWN) !== 0n;
}

/** Whether XFAM has the bits that it must have and no bit that it must not have. */
export function xfamIsAllowed(xfam: bigint): boolean {
  return (xfam & XFAM_FIXED_ONE) === XFAM_FIXED_ONE && (xfam & ~XFAM_ALLOWED) === 0n;
}
