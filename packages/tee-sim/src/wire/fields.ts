/**
 * Reads a JSON object from outside field by field and refuses what nobody asked for (I10).
 */
import { BytesError, fromBase64 } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import { isObject } from './lines.ts';

/** Takes fields out of one JSON object; `end` refuses the rest. */
export class FieldReader {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #taken = new Set<string>();
  readonly #path: string;

  constructor(object: Readonly<Record<string, unknown>>, path = '') {
    this.#object = object;
    this.#path = path;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  /** The value itself, whatever it is. */
  raw(name: string): unknown {
    this.#taken.add(name);
    return this.has(name) ? this.#object[name] : undefined;
  }

  /** @param charactersMax limit in UTF-16 units */
  text(name: string, charactersMax = 4096): string {
    const value = this.raw(name);
    if (typeof value !== 'string' || value.length > charactersMax || value.includes('\0')) {
      throw this.#refuse(name, `text of at most ${charactersMax} characters without NUL`);
    }
    return value;
  }

  /** A whole number in the range. */
  integer(name: string, least: number, greatest: number): number {
    const value = this.raw(name);
    const fits = typeof value === 'number' && Number.isSafeInteger(value);
    if (!fits || value < least || value > greatest) {
      throw this.#refuse(name, `a whole number from ${least} to ${greatest}`);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.raw(name);
    if (typeof value !== 'boolean') throw this.#refuse(name, 'true or false');
    return value;
  }

  /** Bytes written as base64. */
  bytes(name: string, bytesMax: number): Uint8Array<ArrayBuffer> {
    const text = this.text(name, Math.ceil(bytesMax / 3) * 4);
    try {
      const bytes = fromBase64(text);
      if (bytes.byteLength <= bytesMax) return bytes;
    } catch (error) {
      if (!(error instanceof BytesError)) throw error;
    }
    throw this.#refuse(name, `base64 of at most ${bytesMax} bytes`);
  }

  /** An unsigned 64-bit number as text, decimal or with 0x. */
  u64(name: string): bigint {
    const text = this.text(name, 20);
    if (/^(0x[0-9a-f]{1,16}|[0-9]{1,20})$/.test(text)) {
      const value = BigInt(text);
      if (value < 1n << 64n) return value;
    }
    throw this.#refuse(name, 'an unsigned 64-bit number as text');
  }

  texts(name: string, itemsMax: number, charactersMax = 4096): readonly string[] {
    const value = this.raw(name);
    const good =
      Array.isArray(value) &&
      value.length <= itemsMax &&
      value.every(
        (item: unknown): item is string =>
          typeof item === 'string' && item.length <= charactersMax && !item.includes('\0'),
      );
    if (!good) throw this.#refuse(name, `at most ${itemsMax} texts`);
    return value;
  }

  object(name: string): FieldReader {
    const value = this.raw(name);
    if (!isObject(value)) throw this.#refuse(name, 'an object');
    return new FieldReader(value, `${this.#path}${name}.`);
  }

  names(): readonly string[] {
    return Object.keys(this.#object);
  }

  /** @returns the field when it is there */
  optional<Value>(name: string, read: (reader: this, name: string) => Value): Value | undefined {
    return this.has(name) ? read(this, name) : undefined;
  }

  /** @throws TeeSimError TEESIM_REQUEST_MALFORMED when a field is left that nobody took */
  end(): void {
    const left = this.names().find((name) => !this.#taken.has(name));
    if (left !== undefined) throw this.#refuse(left.slice(0, 64), 'no such field');
  }

  #refuse(name: string, expected: string): TeeSimError {
    return new TeeSimError('TEESIM_REQUEST_MALFORMED', 'the request has a bad field', {
      fields: { field: `${this.#path}${name}`, expected },
    });
  }
}
