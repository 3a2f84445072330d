/** A 64-bit field as `0x` and 16 hex digits. */
/** A 64-bit value as `0x` and 16 hex digits. */
export function hex64(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}
