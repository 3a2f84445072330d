/**
 * The one way to standard output: text for people, or one JSON object for programs. Progress and
 * warnings go to standard error, so that output can be piped.
 */
import { CodedError, describeError, printable, type FieldValue } from '@witan/core';
import { nextStepOf } from './next-steps.ts';

/** Something that JSON can say. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

/** What a command says, through one mouth. */
export interface Printer {
  readonly json: boolean;
  /** The result, in both forms; once. */
  result(value: { readonly [name: string]: Json | undefined }, text: string): void;
  /** What happens meanwhile. */
  note(text: string): void;
  /** Why it did not happen. */
  failure(error: unknown): void;
}

/** Shown wherever a simulated TEE is behind a cluster (I11). */
export const SIMULATED_WARNING =
  'SIMULATED TEE: no hardware protects this cluster. For development only.\n';

/**
 * Nothing that is printed moves the cursor or the direction of writing: names and values come from
 * manifests, files and hosts, and somebody decides by what is shown.
 */
function forTerminal(text: string): string {
  return printable(text, '\n\t');
}

/** One line, which a terminal may show and a program reads. */
function toJson(value: unknown): string {
  const escaped = JSON.stringify(value).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) =>
    Array.from({ length: one.length }, (_, at) => {
      const unit = one.charCodeAt(at).toString(16).padStart(4, '0');
      return `\\u${unit}`;
    }).join(''),
  );
  return `${escaped}\n`;
}

/** @param json whether `--json` was given */
export function createPrinter(
  json: boolean,
  stdout: (text: string) => void,
  stderr: (text: string) => void,
): Printer {
  let answered = false;
  return {
    json,
    result: (value, text) => {
      answered = true;
      stdout(json ? toJson(value) : forTerminal(text));
    },
    note: (text) => {
      stderr(forTerminal(text));
    },
    failure: (error) => {
      stderr(forTerminal(`witan: ${describeFailure(error)}\n${nextStepOf(error)}`));
      // A report that says what failed is the one object already.
      if (json && !answered) stdout(toJson({ ok: false, error: errorToJson(error) }));
    },
  };
}

function describeFailure(error: unknown): string {
  if (error instanceof CodedError) return describeError(error);
  // Not one of ours: a bug, which its stack helps to find.
  return error instanceof Error ? String(error.stack) : String(error);
}

function errorToJson(error: unknown): Json {
  if (!(error instanceof CodedError)) return { code: 'INTERNAL', message: describeFailure(error) };
  const code = String(error.code);
  const fields = Object.entries(error.fields).map(([name, value]) => [name, plain(value)]);
  return {
    code,
    message: error.message,
    fields: Object.fromEntries(fields) as { readonly [name: string]: Json },
    description: describeError(error),
  };
}

function plain(value: FieldValue): Json {
  if (typeof value === 'bigint') return value.toString();
  return Array.isArray(value) ? value.map(plain) : (value as Json);
}

/** Rows of cells in aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
