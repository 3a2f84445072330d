/** Runs one script file and compares strictly, log lines masked. */
import { readFileSync, writeFileSync } from 'node:fs';
import { runScript } from './commands.ts';
import { maskLogLines, parseScript, rewriteScript } from './script.ts';

export type Difference = {
  readonly line: number;
  readonly command: string;
  readonly expected: string;
  readonly found: string;
};

/** @returns the first difference, or undefined if every output is as recorded */
export function checkFile(path: string): Difference | undefined {
  const directives = parseScript(readFileSync(path, 'utf8'));
  const outputs = runScript(directives);
  for (const [position, directive] of directives.entries()) {
    const expected = maskLogLines(directive.expected);
    const found = maskLogLines(outputs[position] ?? '');
    if (expected === found) continue;
    return { line: directive.line, command: directive.command, expected, found };
  }
  return undefined;
}

/** Replaces the recorded output by the present one. */
export function rewriteFile(path: string): void {
  const text = readFileSync(path, 'utf8');
  const directives = parseScript(text);
  writeFileSync(path, rewriteScript(text, directives, runScript(directives)));
}
