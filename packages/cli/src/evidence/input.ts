/**
 * Files of the evidence commands: read with a limit, whatever they are (a pipe has no size, and
 * /dev/zero no end), and refused by one kind of error that names what was found and expected.
 */
import { open } from 'node:fs/promises';
import { CliError } from '../errors.ts';

const CHUNK_BYTES = 64 * 1024;

/** Where bytes came from, for messages. */
export interface Source {
  readonly path: string;
  /** What the file should be, such as `evidence`. */
  readonly what: string;
}

/**
 * The error for a file that cannot be used.
 *
 * @param expected what would have been accepted
 * @param found what is there instead; never the content itself
 */
export function unusable(
  { path, what }: Source,
  expected: string,
  found: string,
  cause?: unknown,
): CliError {
  const fields = { what, path, expected, found };
  const options = cause === undefined ? { fields } : { fields, cause };
  return new CliError('CLI_FILE_UNREADABLE', 'file is not what is expected', options);
}

/**
 * Reads a whole file of at most `bytesMax` bytes.
 *
 * @throws CliError CLI_FILE_UNREADABLE
 */
export async function readBounded(source: Source, bytesMax: number): Promise<Uint8Array> {
  const { path, what } = source;
  try {
    const file = await open(path, 'r');
    try {
      const chunks: Uint8Array[] = [];
      let byteLength = 0;
      for (;;) {
        const chunk = new Uint8Array(CHUNK_BYTES);
        const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null);
        if (bytesRead === 0) break;
        byteLength += bytesRead;
        if (byteLength > bytesMax) throw unusable(source, `at most ${bytesMax} bytes`, 'more');
        chunks.push(chunk.subarray(0, bytesRead));
      }
      return new Uint8Array(Buffer.concat(chunks, byteLength));
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    const options = { fields: { what, path }, cause };
    throw new CliError('CLI_FILE_UNREADABLE', 'file cannot be read', options);
  }
}
