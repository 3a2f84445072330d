/**
 * Newline-delimited JSON over a stream, with a limit on the length of a line. Both the control
 * socket and the link between a guest and its hardware speak it.
 */

/** Cuts a byte stream into lines. Holds at most `lineBytesMax` bytes plus one chunk. */
export class LineSplitter {
  readonly #lineBytesMax: number;
  #parts: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** @returns the complete lines without their newline, or undefined once a line is too long */
  push(chunk: Uint8Array): readonly string[] | undefined {
    const lines: string[] = [];
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(0x0a);
      const part = end < 0 ? rest : rest.subarray(0, end);
      if (this.#heldBytes + part.byteLength > this.#lineBytesMax) return undefined;
      this.#parts.push(part);
      this.#heldBytes += part.byteLength;
      if (end < 0) return lines;
      lines.push(Buffer.concat(this.#parts, this.#heldBytes).toString('utf8'));
      this.#parts = [];
      this.#heldBytes = 0;
      rest = rest.subarray(end + 1);
    }
  }
}

/** One value as a line. */
export function toLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** @returns the JSON object on the line, or undefined when it is none */
export function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

/** Whether the value is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
