/** Integers of the log's encodings, written without an object for each. */

/** Writes a safe integer as 8 bytes, big-endian, like `CanonicalWriter.u64`. */
export function writeU53(target: Uint8Array, at: number, value: number): void {
  let high = Math.floor(value / 0x1_0000_0000);
  let low = value >>> 0;
  for (let byte = 3; byte >= 0; byte -= 1) {
    target[at + byte] = high & 0xff;
    target[at + 4 + byte] = low & 0xff;
    high >>>= 8;
    low >>>= 8;
  }
}
