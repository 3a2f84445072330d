/** Failures of the simulated file tree in the form in which Node.js throws those of the kernel. */
import { AttesterError } from '@witan/attester';

/** An error with an errno name as `code`. */
export function errnoError(path: string, errno: string): Error {
  return Object.assign(new Error(`${errno}: simulated configfs-tsm`), { code: errno, path });
}

/** @throws AttesterError ATTESTER_BLOB_TOO_LARGE, as the port demands of `readFile` */
export function withinLimit(path: string, data: Uint8Array, bytesMax: number): Uint8Array {
  if (data.byteLength <= bytesMax) return data;
  throw new AttesterError('ATTESTER_BLOB_TOO_LARGE', 'the attribute is larger than its limit', {
    fields: { path, expected: `at most ${bytesMax} bytes`, found: data.byteLength },
  });
}
