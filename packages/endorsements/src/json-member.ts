/**
 * Cuts the members out of a JSON object, byte for byte.
 *
 * Intel signs the exact bytes of an inner object. Parsing and writing it again may give other bytes
 * (spaces, order, numbers), so the signed part is cut out of the answer and never rewritten.
 */
import { EndorsementsError } from './errors.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MEMBERS_MAX = 16;
const DEPTH_MAX = 32;
const NAME = /^[A-Za-z0-9_]{1,64}$/;
const SPACES: readonly number[] = [0x20, 0x09, 0x0a, 0x0d];

/**
 * The raw values of an object's members by name, without surrounding space. What is inside a value
 * is not checked: its reader does that.
 *
 * @throws EndorsementsError ENDORSEMENTS_ANSWER_UNUSABLE unless the bytes are one object with
 *   distinct, plain names
 */
export function jsonMembers(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const members = new Map<string, Uint8Array>();
  let at = expectByte(bytes, skipSpace(bytes, 0), '{');
  for (;;) {
    at = skipSpace(bytes, at);
    const nameEnd = endOfString(bytes, expectByte(bytes, at, '"'));
    const name = new TextDecoder('latin1').decode(bytes.subarray(at + 1, nameEnd - 1));
    at = skipSpace(bytes, expectByte(bytes, skipSpace(bytes, nameEnd), ':'));
    const end = endOfValue(bytes, at);
    if (!NAME.test(name) || members.has(name) || members.size >= MEMBERS_MAX) throw unusable(at);
    members.set(name, bytes.subarray(at, end));
    at = skipSpace(bytes, end);
    if (bytes[at] !== ','.charCodeAt(0)) break;
    at += 1;
  }
  at = skipSpace(bytes, expectByte(bytes, at, '}'));
  if (at !== bytes.byteLength) throw unusable(at);
  return members;
}

function expectByte(bytes: Uint8Array, at: number, character: string): number {
  if (bytes[at] !== character.charCodeAt(0)) throw unusable(at);
  return at + 1;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (SPACES.includes(bytes[at] ?? 0)) at += 1;
  return at;
}

/** @param from behind the opening quote; gives the place behind the closing one */
function endOfString(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.byteLength; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  throw unusable(bytes.byteLength);
}

/** A value ends where brackets are balanced and a comma, a bracket or space follows. */
function endOfValue(bytes: Uint8Array, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.byteLength) {
    const byte = bytes[at] ?? 0;
    const character = String.fromCharCode(byte);
    if (byte === QUOTE) {
      at = endOfString(bytes, at + 1);
    } else if ('{['.includes(character)) {
      depth += 1;
      at += 1;
    } else if ('}]'.includes(character) && depth > 0) {
      depth -= 1;
      at += 1;
    } else if (depth === 0 && ('},'.includes(character) || SPACES.includes(byte))) {
      break;
    } else {
      at += 1;
    }
    if (depth > DEPTH_MAX) throw unusable(at);
  }
  if (depth > 0 || at === from) throw unusable(at);
  return at;
}

function unusable(at: number): EndorsementsError {
  return new EndorsementsError('ENDORSEMENTS_ANSWER_UNUSABLE', {
    fields: { expected: 'a JSON object', offset: at },
  });
}
