/**
 * Bytes and documents inside JSON: byte strings are written as lists of numbers, hex, base64 or
 * base64url by different tools, and signed documents must be cut out of their text unchanged.
 */
import { bytesInText } from './encoding.ts';

/** An object of parsed JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether parsed JSON is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * @param bytesMax limit of the result
 * @returns the bytes, or undefined when the value is no byte string or too long
 */
export function bytesOfJson(value: unknown, bytesMax: number): Uint8Array | undefined {
  if (typeof value === 'string') {
    const bytes = value.length > 2 * bytesMax + 2 ? undefined : bytesInText(value)?.bytes;
    return bytes !== undefined && bytes.byteLength <= bytesMax ? bytes : undefined;
  }
  if (!Array.isArray(value) || value.length > bytesMax) return undefined;
  return value.every(isByte) ? Uint8Array.from(value) : undefined;
}

function isByte(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
}

/**
 * The text of one member of an object, exactly as it stands there: Intel signs those bytes, and
 * writing parsed JSON again would change them.
 *
 * @param text well-formed JSON of an object
 * @returns undefined when the member is missing or stands there twice
 */
export function memberText(text: string, name: string): string | undefined {
  let found: string | undefined;
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (at < text.length && text[at] !== '}') {
    const keyEnd = endOfValue(text, at);
    const key: unknown = JSON.parse(text.slice(at, keyEnd));
    const from = skipSpace(text, text.indexOf(':', keyEnd) + 1);
    const to = endOfValue(text, from);
    if (key === name) {
      if (found !== undefined) return undefined;
      found = text.slice(from, to);
    }
    at = skipSpace(text, to);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return found;
}

/** Where the value that begins at `from` ends; the text is known to be well-formed. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') at = endOfString(text, at);
    else if (letter === '{' || letter === '[') depth += 1;
    else if (letter === '}' || letter === ']') depth -= 1;
    else if (depth > 0 || !(letter === ',' || letter === ':' || isSpace(letter))) continue;
    else return at;
    if (depth < 0) return at;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text[at])) at += 1;
  return at;
}

function isSpace(letter: string | undefined): boolean {
  return letter === ' ' || letter === '\n' || letter === '\r' || letter === '\t';
}
