/**
 * Bytes that must not be printed, serialised or compared by accident.
 *
 * Every implicit way to text gives a placeholder. `expose()` is the only way in, so that a search
 * for it lists every place where key material is handled.
 */

const PLACEHOLDER = '[secret]';

/** Key material in memory; see the head of this file. */
export class Secret {
  readonly #bytes: Uint8Array;

  /** Takes a private copy, so the caller may wipe its own buffer. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes);
    // Node's inspect hook, by its registered symbol so that this package names no Node type.
    Object.defineProperty(this, Symbol.for('nodejs.util.inspect.custom'), {
      value: () => PLACEHOLDER,
    });
  }

  get byteLength(): number {
    return this.#bytes.byteLength;
  }

  /** The raw bytes. Not a copy: the caller must neither keep nor change them. */
  expose(): Uint8Array {
    return this.#bytes;
  }

  /** Compares in time that depends on the lengths alone. */
  equals(other: Secret): boolean {
    const mine = this.#bytes;
    const theirs = other.#bytes;
    if (mine.byteLength !== theirs.byteLength) return false;
    let difference = 0;
    for (let i = 0; i < mine.byteLength; i += 1) difference |= (mine[i] ?? 0) ^ (theirs[i] ?? 0);
    return difference === 0;
  }

  /** Overwrites the bytes. Best effort: a JavaScript engine may have copied them. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return PLACEHOLDER;
  }

  toJSON(): string {
    return PLACEHOLDER;
  }

  [Symbol.toPrimitive](): string {
    return PLACEHOLDER;
  }
}
