/** The few operations on bytes that this package needs. */

/** Equality of public bytes. */
export function bytesEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.byteLength !== right.byteLength) return false;
  for (let i = 0; i < left.byteLength; i += 1) if (left[i] !== right[i]) return false;
  return true;
}

/** A safe integer as 8 bytes, little-endian. */
export function numberToBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value >>> 0, true);
  view.setUint32(4, Math.floor(value / 0x1_0000_0000), true);
  return bytes;
}

/** The inverse; undefined unless there are 8 bytes and they hold a safe integer. */
export function numberFromBytes(bytes: Uint8Array): number | undefined {
  if (bytes.byteLength !== 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  const value = view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000;
  return Number.isSafeInteger(value) ? value : undefined;
}
