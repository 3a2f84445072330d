/**
 * Tables of fields that a launch may choose: the name of each, its form on the wire and who may set
 * it. One codec for all of them, so that a field cannot be written in one way and read in another.
 *
 * A host really chooses policy, firmware level or chip. It cannot choose what the hardware
 * measures: such fields need the daemon's `--allow-overrides`, which exists to make evidence that a
 * verifier must refuse.
 */
import { toBase64 } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import type { FieldReader } from '../wire/fields.ts';

/** The form of one field. */
export type Form =
  | { readonly kind: 'number'; readonly greatest: number }
  | { readonly kind: 'u64' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'bytes'; readonly byteLength: number }
  | { readonly kind: 'parts'; readonly names: readonly string[]; readonly optional?: string }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'choices'; readonly values: readonly string[] }
  | { readonly kind: 'texts' }
  | { readonly kind: 'json' };

/** A field with its form. */
export interface Rule {
  readonly form: Form;
  /** Needs `--allow-overrides`. */
  readonly forged?: true;
}

/** A table with a row for every field of a type. */
export type FieldTable<Values extends object> = Readonly<Record<keyof Values & string, Rule>>;

const TEXTS_MAX = 64;
const TEXT_CHARACTERS_MAX = 64;
const JSON_CHARACTERS_MAX = 64 * 1024;

/** A field of exactly so many bytes. */
export const bytes = (byteLength: number): Form => ({ kind: 'bytes', byteLength });
/** A number of at most 32 bits. */
export const U32: Form = { kind: 'number', greatest: 0xffffffff };
/** A number of at most 16 bits. */
export const U16: Form = { kind: 'number', greatest: 0xffff };
/** A number of 64 bits. */
export const U64: Form = { kind: 'u64' };
/** True or false. */
export const FLAG: Form = { kind: 'boolean' };

/** For the wire: 64-bit numbers as hex text, bytes as base64. */
export function encodeFields<Values extends object>(
  table: FieldTable<Values>,
  values: Values,
): Record<string, unknown> {
  const encoded: Record<string, unknown> = {};
  for (const name of namesOf(table)) {
    const value: unknown = values[name];
    if (value === undefined) continue;
    if (typeof value === 'bigint') encoded[name] = `0x${value.toString(16)}`;
    else if (value instanceof Uint8Array) encoded[name] = toBase64(value);
    else encoded[name] = value;
  }
  return encoded;
}

/**
 * The inverse of `encodeFields` for input from outside.
 *
 * @param allowForged whether the daemon runs with `--allow-overrides`
 * @throws TeeSimError TEESIM_REQUEST_MALFORMED or TEESIM_OVERRIDE_REFUSED
 */
export function decodeFields<Values extends object>(
  table: FieldTable<Values>,
  reader: FieldReader,
  allowForged: boolean,
): Values {
  const decoded: Record<string, unknown> = {};
  for (const name of namesOf(table)) {
    if (!reader.has(name)) continue;
    const rule = table[name];
    if (rule.forged === true && !allowForged) {
      throw new TeeSimError('TEESIM_OVERRIDE_REFUSED', 'the field cannot be chosen by a host', {
        fields: { field: name, nextStep: 'start the daemon with --allow-overrides' },
      });
    }
    decoded[name] = decodeOne(reader, name, rule.form);
  }
  reader.end();
  // Each field was read in the form that the table gives for its name.
  return decoded as Values;
}

function namesOf<Values extends object>(
  table: FieldTable<Values>,
): readonly (keyof Values & string)[] {
  return Object.keys(table) as (keyof Values & string)[];
}

function decodeOne(reader: FieldReader, name: string, form: Form): unknown {
  switch (form.kind) {
    case 'number':
      return reader.integer(name, 0, form.greatest);
    case 'u64':
      return reader.u64(name);
    case 'boolean':
      return reader.boolean(name);
    case 'bytes':
      return exactBytes(reader, name, form.byteLength);
    case 'parts':
      return decodeParts(reader.object(name), form.names, form.optional);
    case 'choice':
      return oneOf(name, reader.text(name, TEXT_CHARACTERS_MAX), form.values);
    case 'choices':
      return reader
        .texts(name, TEXTS_MAX, TEXT_CHARACTERS_MAX)
        .map((text) => oneOf(name, text, form.values));
    case 'texts':
      return reader.texts(name, TEXTS_MAX, TEXT_CHARACTERS_MAX);
    case 'json':
      return jsonObject(reader, name);
    default:
      return form satisfies never;
  }
}

function oneOf(name: string, found: string, values: readonly string[]): string {
  if (values.includes(found)) return found;
  throw malformed(name, values.join(', '), found);
}

/** Plain JSON as it came; what is in it is for the verifier under test. */
function jsonObject(reader: FieldReader, name: string): unknown {
  const value = reader.raw(name);
  const length = JSON.stringify(value)?.length ?? 0;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isObject && length <= JSON_CHARACTERS_MAX) return value;
  throw malformed(name, `an object of at most ${JSON_CHARACTERS_MAX} characters`, length);
}

function exactBytes(reader: FieldReader, name: string, byteLength: number): Uint8Array {
  const value = reader.bytes(name, byteLength);
  if (value.byteLength === byteLength) return value;
  throw malformed(name, `${byteLength} bytes`, value.byteLength);
}

function decodeParts(
  reader: FieldReader,
  names: readonly string[],
  optional: string | undefined,
): Readonly<Record<string, number>> {
  const parts: Record<string, number> = {};
  for (const name of names) parts[name] = reader.integer(name, 0, 255);
  if (optional !== undefined && reader.has(optional)) {
    parts[optional] = reader.integer(optional, 0, 255);
  }
  reader.end();
  return parts;
}

function malformed(field: string, expected: string, found: string | number): TeeSimError {
  return new TeeSimError('TEESIM_REQUEST_MALFORMED', 'the request has a bad field', {
    fields: { field, expected, found },
  });
}
