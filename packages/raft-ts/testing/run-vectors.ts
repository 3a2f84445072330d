/** Runs a file of quorum or membership directives and counts what agrees. */
import { readFileSync } from 'node:fs';
import { runConfChanges } from './confchange-vectors.ts';
import { runQuorum } from './quorum-vectors.ts';
import type { Difference } from './run-file.ts';
import { parseScript } from './script.ts';

export type VectorResult = { readonly total: number; readonly differences: readonly Difference[] };

const QUORUM_COMMANDS: readonly string[] = ['committed', 'vote'];

export function checkVectors(path: string): VectorResult {
  const directives = parseScript(readFileSync(path, 'utf8'));
  const isQuorum = directives.every(({ command }) => QUORUM_COMMANDS.includes(command));
  const outputs = isQuorum ? directives.map(runQuorum) : runConfChanges(directives);
  const differences = directives.flatMap((directive, position): readonly Difference[] => {
    const { line, command, expected } = directive;
    const found = outputs[position] ?? '';
    return found === expected ? [] : [{ line, command, expected, found }];
  });
  return { total: directives.length, differences };
}
