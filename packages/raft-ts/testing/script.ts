/**
 * Reads and writes interaction scripts: directives with recorded output.
 * The grammar is that of etcd's data-driven tests, so that their files can be read in place.
 */

/** `key`, `key=value` or `key=(value,value)`; values are empty for a bare key. */
export type Argument = { readonly key: string; readonly values: readonly string[] };

/** One command with its arguments, the lines of input below it, and the recorded output. */
export type Directive = {
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
  /** Line number of the command, from 1. */
  readonly line: number;
  /** First and last line (from 0, end excluded) of the recorded output, for rewriting. */
  readonly outputStart: number;
  readonly outputEnd: number;
};

/** A file that is not a script of this format. */
export class ScriptSyntaxError extends Error {
  override readonly name: string = 'ScriptSyntaxError';
}

/** Marks a part of a file for the reader of test reports. Has no output, and does nothing. */
const SUBTEST = /^subtest(\s|$)/;

function linesOf(text: string): readonly string[] {
  return text.split(/\r?\n/);
}

/**
 * Splits a script into its directives.
 * @throws ScriptSyntaxError on a command without output separator
 */
export function parseScript(text: string): readonly Directive[] {
  const lines = linesOf(text);
  const directives: Directive[] = [];
  let at = 0;
  while (at < lines.length) {
    const trimmed = (lines[at] ?? '').trim();
    if (trimmed === '' || trimmed.startsWith('#') || SUBTEST.test(trimmed)) {
      at += 1;
      continue;
    }
    const directive = parseDirective(lines, at);
    directives.push(directive);
    at = directive.outputEnd;
  }
  return directives;
}

function parseDirective(lines: readonly string[], start: number): Directive {
  let at = start;
  let commandLine = (lines[at] ?? '').trim();
  while (commandLine.endsWith('\\')) {
    at += 1;
    commandLine = `${commandLine.slice(0, -1).trimEnd()} ${(lines[at] ?? '').trim()}`;
  }
  at += 1;
  const input: string[] = [];
  while (lines[at] !== '----') {
    if (at >= lines.length) {
      throw new ScriptSyntaxError(`line ${start + 1}: command without ----`);
    }
    input.push(lines[at] ?? '');
    at += 1;
  }
  const outputStart = at + 1;
  const { expected, end } = parseExpected(lines, outputStart);
  const [command = '', ...rest] = splitTopLevel(commandLine.replaceAll('\t', ' '), ' ');
  return {
    command,
    args: rest.filter((word) => word !== '').map(parseArgument),
    input: input.join('\n').trim(),
    expected,
    line: start + 1,
    outputStart,
    outputEnd: end,
  };
}

function parseExpected(
  lines: readonly string[],
  start: number,
): { readonly expected: string; readonly end: number } {
  const doubled = lines[start] === '----';
  let end = doubled ? start + 1 : start;
  const isEnd = (): boolean =>
    end >= lines.length ||
    (doubled ? lines[end] === '----' && lines[end + 1] === '----' : lines[end]?.trim() === '');
  while (!isEnd()) end += 1;
  const expected = lines.slice(doubled ? start + 1 : start, end).join('\n');
  return { expected, end: doubled ? Math.min(end + 2, lines.length) : end };
}

function parseArgument(word: string): Argument {
  const equals = word.indexOf('=');
  if (equals < 0) return { key: word, values: [] };
  const key = word.slice(0, equals);
  const value = word.slice(equals + 1);
  if (!value.startsWith('(')) return { key, values: value === '' ? [] : [value] };
  const inner = value.slice(1, -1);
  const values = inner === '' ? [] : splitTopLevel(inner, ',').map((item) => item.trim());
  return { key, values };
}

/** Splits at separators outside parentheses. */
function splitTopLevel(text: string, separator: string): readonly string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const letter of text) {
    if (letter === '(') depth += 1;
    if (letter === ')') depth -= 1;
    if (letter === separator && depth === 0) parts.push('');
    else parts[parts.length - 1] = `${parts.at(-1) ?? ''}${letter}`;
  }
  return parts;
}

/** The script with each directive's recorded output replaced. */
export function rewriteScript(
  text: string,
  directives: readonly Directive[],
  outputs: readonly string[],
): string {
  const lines = linesOf(text);
  const result: string[] = [];
  let at = 0;
  for (const [position, directive] of directives.entries()) {
    result.push(...lines.slice(at, directive.outputStart));
    const output = (outputs[position] ?? '').replace(/\n$/, '').split('\n');
    // A blank line would end the plain form.
    const doubled = output.some((line) => line.trim() === '');
    result.push(...(doubled ? ['----', ...output, '----', '----'] : output));
    at = directive.outputEnd;
  }
  result.push(...lines.slice(at));
  return result.join('\n');
}

const LOG_LINE = /^\s*(DEBUG|INFO|WARN|ERROR|FATAL) /;

/**
 * What is compared: the output without log lines, whose wording belongs to each implementation. A
 * command that only logged counts as one without output.
 */
export function maskLogLines(output: string): string {
  const kept = output
    .replace(/\n$/, '')
    .split('\n')
    .filter((line) => !LOG_LINE.test(line));
  const text = kept.join('\n');
  return text === '' ? 'ok' : text;
}
