/** Runs a file of quorum or membership directives and counts what agrees. */
import { readFileSync, writeFileSync } from 'node:fs';
import { runConfChanges } from './confchange-vectors.ts';
import { kindOfDirectives } from './kinds.ts';
import { runQuorum } from './quorum-vectors.ts';
import type { Difference } from './run-file.ts';
import { parseScript, rewriteScript, type Directive } from './script.ts';

export type VectorResult = { readonly total: number; readonly differences: readonly Difference[] };

function outputsOf(directives: readonly Directive[]): readonly string[] {
  const isQuorum = kindOfDirectives(directives) === 'quorum';
  return isQuorum ? directives.map(runQuorum) : runConfChanges(directives);
}

export function checkVectors(path: string): VectorResult {
  const directives = parseScript(readFileSync(path, 'utf8'));
  const outputs = outputsOf(directives);
  const differences = directives.flatMap((directive, position): readonly Difference[] => {
    const { line, command, expected } = directive;
    const found = outputs[position] ?? '';
    return found === expected ? [] : [{ line, command, expected, found }];
  });
  return { total: directives.length, differences };
}

/** Replaces the recorded output by the present one. */
export function rewriteVectors(path: string): void {
  const text = readFileSync(path, 'utf8');
  const directives = parseScript(text);
  writeFileSync(path, rewriteScript(text, directives, outputsOf(directives)));
}
