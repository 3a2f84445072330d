/**
 * A strict JSON reader (RFC 8259) for documents that are signed by their bytes: one text must have
 * one reading. So, beyond the grammar, it refuses duplicate keys, numbers other than safe integers
 * in plain form, lone surrogates, ill-formed UTF-8, a byte order mark and deep nesting.
 *
 * It does not know the manifest's schema.
 */
import { BytesError, fromUtf8 } from '@witan/core';
import { ManifestError, type ManifestErrorCode } from './errors.ts';
import { JSON_DEPTH_MAX } from './limits.ts';
import { clip, itemPath, keyPath, ROOT_PATH } from './path.ts';

/** Any value of a manifest; numbers are safe integers. */
export type JsonValue = null | boolean | number | string | JsonArray | JsonObject;
/** In the order of the document. */
export type JsonArray = readonly JsonValue[];
/** Has no prototype, so that no key can meet an inherited name. */
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * @param bytes the whole document; the caller has limited its size
 * @throws ManifestError MANIFEST_NOT_JSON, MANIFEST_TOO_DEEP, MANIFEST_DUPLICATE_KEY
 */
export function readJson(bytes: Uint8Array): JsonValue {
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    const fields = { path: ROOT_PATH, expected: 'well-formed UTF-8', found: 'other bytes' };
    throw new ManifestError('MANIFEST_NOT_JSON', fields, error);
  }
  return new JsonReader(text).document();
}

const WHITESPACE = ' \t\n\r';
const NUMBER_CHARACTERS = '+-.0123456789eE';
const INTEGER = /^-?(0|[1-9][0-9]{0,15})$/;
const LITERALS: readonly (readonly [string, JsonValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    const value = this.#value(ROOT_PATH, 0);
    this.#skipWhitespace();
    if (this.#at < this.#text.length) throw this.#unexpected(ROOT_PATH, 'end of document');
    return value;
  }

  #value(path: string, depth: number): JsonValue {
    this.#skipWhitespace();
    const next = this.#text.charAt(this.#at);
    if (next === '{') return this.#object(path, depth + 1);
    if (next === '[') return this.#array(path, depth + 1);
    if (next === '"') return this.#string(path);
    if (next !== '' && NUMBER_CHARACTERS.includes(next)) return this.#number(path);
    for (const [word, value] of LITERALS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    throw this.#unexpected(path, 'a value');
  }

  #object(path: string, depth: number): JsonObject {
    this.#checkDepth(path, depth);
    const members: { [key: string]: JsonValue } = Object.create(null) as Record<string, never>;
    this.#at += 1;
    if (this.#accept('}')) return members;
    do {
      this.#skipWhitespace();
      if (this.#text.charAt(this.#at) !== '"') throw this.#unexpected(path, 'a key in quotes');
      const key = this.#string(path);
      const memberPath = keyPath(path, key);
      if (key in members) {
        const fields = { path: memberPath, expected: 'one value', found: 'the key twice' };
        throw new ManifestError('MANIFEST_DUPLICATE_KEY', fields);
      }
      if (!this.#accept(':')) throw this.#unexpected(memberPath, '":"');
      members[key] = this.#value(memberPath, depth);
    } while (this.#accept(','));
    if (!this.#accept('}')) throw this.#unexpected(path, '"," or "}"');
    return members;
  }

  #array(path: string, depth: number): JsonArray {
    this.#checkDepth(path, depth);
    const items: JsonValue[] = [];
    this.#at += 1;
    if (this.#accept(']')) return items;
    do items.push(this.#value(itemPath(path, items.length), depth));
    while (this.#accept(','));
    if (!this.#accept(']')) throw this.#unexpected(path, '"," or "]"');
    return items;
  }

  /** Finds the closing quote itself, and leaves the escapes to the engine's own strict parser. */
  #string(path: string): string {
    const start = this.#at;
    let end = start + 1;
    while (end < this.#text.length && this.#text.charAt(end) !== '"') {
      end += this.#text.charAt(end) === '\\' ? 2 : 1;
    }
    if (end >= this.#text.length) throw this.#unexpected(path, 'a closed string');
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(start, end + 1));
    } catch (error) {
      throw this.#unexpected(path, 'a string without raw controls or unknown escapes', error);
    }
    if (typeof value !== 'string' || !value.isWellFormed()) {
      throw this.#unexpected(path, 'a string of whole Unicode characters');
    }
    this.#at = end + 1;
    return value;
  }

  #number(path: string): number {
    let end = this.#at;
    while (end < this.#text.length && NUMBER_CHARACTERS.includes(this.#text.charAt(end))) end += 1;
    const token = this.#text.slice(this.#at, end);
    const value = Number(token);
    if (!INTEGER.test(token) || !Number.isSafeInteger(value) || Object.is(value, -0)) {
      throw this.#unexpected(path, 'a whole number within 2^53-1, in plain digits');
    }
    this.#at = end;
    return value;
  }

  #accept(character: string): boolean {
    this.#skipWhitespace();
    if (this.#text.charAt(this.#at) !== character) return false;
    this.#at += 1;
    return true;
  }

  #skipWhitespace(): void {
    while (this.#at < this.#text.length && WHITESPACE.includes(this.#text.charAt(this.#at))) {
      this.#at += 1;
    }
  }

  #checkDepth(path: string, depth: number): void {
    if (depth <= JSON_DEPTH_MAX) return;
    const fields = { path, expected: JSON_DEPTH_MAX, found: depth };
    throw new ManifestError('MANIFEST_TOO_DEEP', fields);
  }

  #unexpected(path: string, expected: string, cause?: unknown): ManifestError {
    const code: ManifestErrorCode = 'MANIFEST_NOT_JSON';
    const rest = this.#text.slice(this.#at, this.#at + 20);
    const shown = rest === '' ? 'end of document' : JSON.stringify(rest);
    return new ManifestError(
      code,
      { path, expected, found: `${clip(shown)} at character ${this.#at}` },
      cause,
    );
  }
}
