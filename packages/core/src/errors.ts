/**
 * The base of every error that Witan throws on purpose.
 *
 * Each package has one subclass with a closed union of codes. Codes are API: they are documented in
 * docs/errors.md, never reused, and callers branch on them and on nothing else. Messages are
 * constant text; what varies goes into `fields`, which must never hold a secret (I10).
 */

/** A value that may be logged beside an error. Never a secret. */
export type FieldValue = string | number | bigint | boolean | null | readonly FieldValue[];

/** Named values that say what was checked, expected and found. */
export type ErrorFields = Readonly<Record<string, FieldValue>>;

/** What may go with an error. */
export interface CodedErrorOptions {
  readonly fields?: ErrorFields;
  readonly cause?: unknown;
}

/** An operating error with a stable code. Broken invariants are `InvariantViolation` instead. */
export abstract class CodedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly fields: ErrorFields;

  constructor(code: Code, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fields = options.fields ?? {};
    this.name = new.target.name;
  }
}

/**
 * Renders an error with its fields and the whole chain of causes on one line, the outermost first.
 * A field that a cause repeats is told once.
 *
 * @param error anything that was thrown
 * @returns text without stack traces, at most ten causes deep
 */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  const told = new Set<string>();
  let current: unknown = error;
  for (let depth = 0; depth < 10 && current !== undefined && current !== null; depth += 1) {
    parts.push(describeOne(current, told));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}

/** @param told fields that stand before: a cause often has those of what it caused */
function describeOne(error: unknown, told: Set<string>): string {
  if (error instanceof CodedError) {
    const fields = Object.entries(error.fields)
      .map(([name, value]) => `${name}=${String(value)}`)
      .filter((field) => !told.has(field));
    for (const field of fields) told.add(field);
    const suffix = fields.length === 0 ? '' : ` (${printable(fields.join(', '))})`;
    return `${error.code}: ${error.message}${suffix}`;
  }
  return printable(error instanceof Error ? error.message : String(error));
}

/** What ends a line, moves a cursor, or turns the direction of writing round (Unicode 16). */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text from outside on one line, without anything that a terminal acts on: such characters show as
 * their numbers, `\\u{1b}`.
 *
 * @param kept characters that stay
 */
export function printable(text: string, kept = ''): string {
  return text.replaceAll(UNPRINTABLE, (one) =>
    kept.includes(one) ? one : `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
