/**
 * Strict reading of JSON objects: every field is named, typed and limited, and whatever was not
 * asked for is refused. Used for reference values; the manifest package has its own, larger reader.
 */
import { AttestationError } from './errors.ts';
import { REFERENCE_LIST_ITEMS_MAX } from './limits.ts';

const TEXT_LENGTH_MAX = 256;
const SHOWN_LENGTH_MAX = 80;

/** Reads one JSON object. Every method throws AttestationError REFERENCE_VALUES_INVALID. */
export class ObjectReader {
  readonly #path: string;
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #seen: Set<string> = new Set();

  /** @param path where `value` stands in its document, for error messages */
  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(path, 'an object', value);
    }
    this.#path = path;
    this.#fields = new Map(Object.entries(value));
  }

  /** The object in a field; `fallback` stands in for a missing one. */
  child(name: string, fallback?: object): ObjectReader {
    return new ObjectReader(this.#take(name) ?? fallback, this.#at(name));
  }

  /** Runs `read` when the field is there, and gives `{}` otherwise; made for object spread. */
  ifPresent<Part extends object>(name: string, read: () => Part): Part | Record<string, never> {
    return this.#take(name) === undefined ? {} : read();
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== 'boolean') throw invalid(this.#at(name), 'true or false', value);
    return value;
  }

  /** A whole number from 0 to `max`. */
  integer(name: string, max: number, fallback?: number): number {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
      throw invalid(this.#at(name), `a whole number from 0 to ${max}`, value);
    }
    return value;
  }

  pattern(name: string, pattern: RegExp, expected: string, fallback?: string): string {
    const value = this.#take(name) ?? fallback;
    if (typeof value !== 'string' || !pattern.test(value)) {
      throw invalid(this.#at(name), expected, value);
    }
    return value;
  }

  /** Exactly `bytes` bytes in lower-case hex. */
  hex(name: string, bytes: number): string {
    return hexText(this.#take(name), bytes, this.#at(name));
  }

  /** A list without repetitions of `bytes` bytes each, with at least one item. */
  hexList(name: string, bytes: number): readonly string[] {
    return this.#list(name, undefined, 1, (item, path) => hexText(item, bytes, path));
  }

  /** A list of texts of 1 to 256 characters, with at least one item. */
  textList(name: string): readonly string[] {
    return this.#list(name, undefined, 1, (item, path) => {
      if (typeof item === 'string' && item.length > 0 && item.length <= TEXT_LENGTH_MAX)
        return item;
      throw invalid(path, `text of 1 to ${TEXT_LENGTH_MAX} characters`, item);
    });
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice {
    return oneOf(this.#take(name), choices, this.#at(name));
  }

  /** A list of named choices without repetitions. */
  choices<Choice extends string>(
    name: string,
    choices: readonly Choice[],
    fallback: readonly Choice[] | undefined,
    itemsMin: number,
  ): readonly Choice[] {
    return this.#list(name, fallback, itemsMin, (item, path) => oneOf(item, choices, path));
  }

  /** Demands that every field was read. */
  end(): void {
    for (const name of this.#fields.keys()) {
      if (this.#seen.has(name)) continue;
      throw invalid(this.#at(name.slice(0, SHOWN_LENGTH_MAX)), 'no such field', name);
    }
  }

  #list<Item extends string>(
    name: string,
    fallback: readonly Item[] | undefined,
    itemsMin: number,
    read: (item: unknown, path: string) => Item,
  ): readonly Item[] {
    const value = this.#take(name) ?? fallback;
    const path = this.#at(name);
    const expected = `a list of ${itemsMin} to ${REFERENCE_LIST_ITEMS_MAX} items`;
    if (!Array.isArray(value)) throw invalid(path, expected, value);
    if (value.length < itemsMin || value.length > REFERENCE_LIST_ITEMS_MAX) {
      throw invalid(path, expected, value.length);
    }
    const items = value.map((item: unknown, index) => read(item, `${path}[${index}]`));
    const repeated = items.find((item, index) => items.indexOf(item) !== index);
    if (repeated !== undefined) throw invalid(path, 'no item twice', repeated);
    return items;
  }

  #take(name: string): unknown {
    this.#seen.add(name);
    return this.#fields.get(name);
  }

  #at(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

function hexText(value: unknown, bytes: number, path: string): string {
  if (typeof value === 'string' && value.length === 2 * bytes && /^[0-9a-f]*$/.test(value)) {
    return value;
  }
  throw invalid(path, `${bytes} bytes as ${2 * bytes} lower-case hex digits`, value);
}

function oneOf<Choice extends string>(
  value: unknown,
  choices: readonly Choice[],
  path: string,
): Choice {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalid(path, choices.join(' or '), value);
  return found;
}

function invalid(path: string, expected: string, value: unknown): AttestationError {
  return new AttestationError('REFERENCE_VALUES_INVALID', { path, expected, found: shown(value) });
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
