/**
 * Strict reading of JSON objects: every field is named, typed and limited, and whatever was not
 * asked for is refused where `end` is called. Used for reference values and for vendor documents.
 */
import type { UnixMillis } from '@witan/core';
import { unixMillisOf } from './der/time.ts';
import { AttestationError, type AttestationErrorCode } from './errors.ts';
import { REFERENCE_LIST_ITEMS_MAX } from './limits.ts';

const TEXT_LENGTH_MAX = 256;
const SHOWN_LENGTH_MAX = 80;
const HEX = /^[0-9a-f]*$/;

/** A text that stands in the place of a list and means that nothing is checked. */
export type Any = 'any';

/** Reads one JSON object. Every method throws AttestationError with the reader's code. */
export class ObjectReader {
  readonly #path: string;
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #seen: Set<string> = new Set();
  readonly #code: AttestationErrorCode;

  /**
   * @param path where `value` stands in its document, for error messages
   * @param code what every refusal is reported as
   */
  constructor(
    value: unknown,
    path: string,
    code: AttestationErrorCode = 'REFERENCE_VALUES_INVALID',
  ) {
    this.#code = code;
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#invalid(path, 'an object', value);
    }
    this.#fields = new Map(Object.entries(value));
  }

  /** Whether the field is there. Does not count as reading it. */
  has(name: string): boolean {
    return this.#fields.get(name) !== undefined;
  }

  /** Names of all fields, for objects whose names are data. */
  names(): readonly string[] {
    return [...this.#fields.keys()];
  }

  /** A field as it stands, for another reader. */
  value(name: string): unknown {
    return this.#take(name);
  }

  /** The object in a field; `fallback` stands in for a missing one. */
  child(name: string, fallback?: object): ObjectReader {
    return new ObjectReader(this.#take(name, fallback), this.#at(name), this.#code);
  }

  /** Runs `read` when the field is there, and gives `{}` otherwise; made for object spread. */
  ifPresent<Part extends object>(name: string, read: () => Part): Part | Record<string, never> {
    return this.has(name) ? read() : {};
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#take(name, fallback);
    if (typeof value !== 'boolean') throw this.#invalid(this.#at(name), 'true or false', value);
    return value;
  }

  /** A whole number from 0 to `max`. */
  integer(name: string, max: number, fallback?: number): number {
    const value = this.#take(name, fallback);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
      throw this.#invalid(this.#at(name), `a whole number from 0 to ${max}`, value);
    }
    return value;
  }

  pattern(name: string, pattern: RegExp, expected: string, fallback?: string): string {
    const value = this.#take(name, fallback);
    if (typeof value !== 'string' || !pattern.test(value)) {
      throw this.#invalid(this.#at(name), expected, value);
    }
    return value;
  }

  /** Exactly `bytes` bytes in lower-case hex. */
  hex(name: string, bytes: number, fallback?: string): string {
    return this.#hexText(this.#take(name, fallback), bytes, this.#at(name));
  }

  /** Exactly `bytes` bytes in hex of either case, as vendors write it. Gives lower case. */
  hexAnyCase(name: string, bytes: number): string {
    const value = this.#take(name);
    const text = typeof value === 'string' ? value.toLowerCase() : value;
    return this.#hexText(text, bytes, this.#at(name));
  }

  /** A time such as `2026-06-01T00:00:00Z`. */
  time(name: string): UnixMillis {
    const form = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/;
    const expected = 'a time such as 2026-06-01T00:00:00Z';
    const text = this.pattern(name, form, expected);
    const time = unixMillisOf(text.replaceAll(/[-:T]/g, ''), 4);
    if (time === undefined) throw this.#invalid(this.#at(name), expected, text);
    return time;
  }

  /** A list without repetitions of `bytes` bytes each, with at least one item. */
  hexList(name: string, bytes: number, fallback?: readonly string[]): readonly string[] {
    const value = this.#take(name, fallback);
    return this.#distinct(value, name, 1, (item, path) => this.#hexText(item, bytes, path));
  }

  /** As `hexList`, or the text `any`, which has to be written out. */
  hexListOrAny(name: string, bytes: number): readonly string[] | Any {
    return this.#fields.get(name) === 'any'
      ? this.choice<Any>(name, ['any'])
      : this.hexList(name, bytes);
  }

  /** A list of texts of 1 to 256 characters, without repetitions. */
  textList(name: string, itemsMin = 1, fallback?: readonly string[]): readonly string[] {
    const expected = `text of 1 to ${TEXT_LENGTH_MAX} characters`;
    return this.#distinct(this.#take(name, fallback), name, itemsMin, (item, path) => {
      const fits = typeof item === 'string' && item.length > 0 && item.length <= TEXT_LENGTH_MAX;
      if (!fits) throw this.#invalid(path, expected, item);
      return item;
    });
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice {
    return this.#oneOf(this.#take(name), choices, this.#at(name));
  }

  /** A list of named choices without repetitions. */
  choices<Choice extends string>(
    name: string,
    choices: readonly Choice[],
    fallback: readonly Choice[] | undefined,
    itemsMin: number,
  ): readonly Choice[] {
    const value = this.#take(name, fallback);
    return this.#distinct(value, name, itemsMin, (item, path) => this.#oneOf(item, choices, path));
  }

  /** A list of at most `itemsMax` objects, of which every field must be read. */
  wholeObjects<Item>(
    name: string,
    itemsMax: number,
    read: (item: ObjectReader) => Item,
  ): readonly Item[] {
    return this.#items(this.#take(name), name, 0, itemsMax, (item, path) => {
      const reader = new ObjectReader(item, path, this.#code);
      const value = read(reader);
      reader.end();
      return value;
    });
  }

  /** Counts fields as read that say nothing of interest. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#seen.add(name);
  }

  /** Demands that every field was read. */
  end(): void {
    for (const [name, value] of this.#fields) {
      // Undefined is how an object made in code leaves a field out; JSON has no such value.
      if (this.#seen.has(name) || value === undefined) continue;
      throw this.#invalid(this.#at(name.slice(0, SHOWN_LENGTH_MAX)), 'no such field', name);
    }
  }

  #distinct<Item extends string>(
    value: unknown,
    name: string,
    itemsMin: number,
    read: (item: unknown, path: string) => Item,
  ): readonly Item[] {
    const items = this.#items(value, name, itemsMin, REFERENCE_LIST_ITEMS_MAX, read);
    const seen = new Set(items);
    if (seen.size !== items.length) {
      const repeated = items.find((item) => !seen.delete(item));
      throw this.#invalid(this.#at(name), 'no item twice', repeated);
    }
    return items;
  }

  #items<Item>(
    value: unknown,
    name: string,
    itemsMin: number,
    itemsMax: number,
    read: (item: unknown, path: string) => Item,
  ): readonly Item[] {
    const path = this.#at(name);
    const expected = `a list of ${itemsMin} to ${itemsMax} items`;
    if (!Array.isArray(value)) throw this.#invalid(path, expected, value);
    if (value.length < itemsMin || value.length > itemsMax) {
      throw this.#invalid(path, expected, value.length);
    }
    return value.map((item: unknown, index) => read(item, `${path}[${index}]`));
  }

  /** A missing field is undefined in JSON; null is a value and never stands for a default. */
  #take(name: string, fallback?: unknown): unknown {
    this.#seen.add(name);
    const value = this.#fields.get(name);
    return value === undefined ? fallback : value;
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }

  #hexText(value: unknown, bytes: number, path: string): string {
    if (typeof value === 'string' && value.length === 2 * bytes && HEX.test(value)) return value;
    throw this.#invalid(path, `${bytes} bytes as ${2 * bytes} lower-case hex digits`, value);
  }

  #oneOf<Choice extends string>(value: unknown, choices: readonly Choice[], path: string): Choice {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw this.#invalid(path, choices.join(' or '), value);
    return found;
  }

  #invalid(path: string, expected: string, value: unknown): AttestationError {
    return new AttestationError(this.#code, { path, expected, found: shown(value) });
  }
}

/** Shortens what was found, so that a hostile document cannot fill the log. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, SHOWN_LENGTH_MAX));
  return typeof value === 'number' ? String(value) : typeof value;
}
