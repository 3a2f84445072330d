/**
 * Bits of the guest policy and of PLATFORM_INFO (AMD document 56860, GUEST_POLICY and
 * PLATFORM_INFO).
 */

/** Bit numbers of the guest policy, which the guest's owner chose and the firmware enforces. */
export const GUEST_POLICY_BITS = {
  smtAllowed: 16,
  migrationAgentAllowed: 18,
  debugAllowed: 19,
  singleSocketRequired: 20,
  cxlAllowed: 21,
  aes256XtsRequired: 22,
  raplDisabledRequired: 23,
  ciphertextHidingRequired: 24,
  pageSwapDisabled: 25,
} as const;

/** Name of a bit of the guest policy (SEV-SNP ABI, guest policy). */
export type GuestPolicyFlag = keyof typeof GUEST_POLICY_BITS;

/**
 * Bit numbers of PLATFORM_INFO. Other bits are never judged: real processors set bits that the
 * documents call reserved (bit 6 on Turin).
 */
export const PLATFORM_BITS = {
  smt: 0,
  tsme: 1,
  ecc: 2,
  raplDisabled: 3,
  ciphertextHiding: 4,
  aliasCheckComplete: 5,
  sevTio: 7,
} as const;

/** Name of a bit of PLATFORM_INFO. */
export type PlatformFlag = keyof typeof PLATFORM_BITS;

/** All platform flags that reference values may demand or forbid. */
export const PLATFORM_FLAGS: readonly PlatformFlag[] = Object.keys(PLATFORM_BITS) as PlatformFlag[];

/** Whether the guest policy has the flag. */
export function guestPolicyHas(policy: bigint, flag: GuestPolicyFlag): boolean {
  return bitIsSet(policy, GUEST_POLICY_BITS[flag]);
}

/** Whether PLATFORM_INFO has the flag. */
export function platformHas(platformInfo: bigint, flag: PlatformFlag): boolean {
  return bitIsSet(platformInfo, PLATFORM_BITS[flag]);
}

/** The lowest firmware ABI on which the guest policy lets the guest run (bits 15:0). */
export function guestPolicyAbi(policy: bigint): { readonly major: number; readonly minor: number } {
  return { major: Number((policy >> 8n) & 0xffn), minor: Number(policy & 0xffn) };
}

function bitIsSet(value: bigint, bit: number): boolean {
  return ((value >> BigInt(bit)) & 1n) === 1n;
}
