/** Fuzzes parsers with changed inputs; a number gives the same changes again, to other keys. */
import { mutated, numbersFrom } from '@witan/attestation/testing';
import { describeError } from '@witan/core';
import { makeSeeds } from './seeds.ts';
import { targetsOf, type Target } from './targets.ts';

/** What fuzzing of one target gave. */
export interface FuzzResult {
  readonly target: string;
  readonly runs: number;
  /** How many inputs were not refused; none would mean that nothing behind the first check ran. */
  readonly accepted: number;
  /** What went wrong first, with the input in hex; absent where nothing did. */
  readonly problem?: string;
}

const SHOWN_BYTES_MAX = 4096;
const CAUSES_MAX = 10;

/** Whether a text of a secret is in an error, its fields or its causes. */
function leaks(error: unknown, secrets: readonly string[]): boolean {
  const said: string[] = [describeError(error)];
  let current: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    said.push(current.message, current.stack ?? '', JSON.stringify(current));
    current = current.cause;
  }
  const text = said.join('\n');
  return secrets.some((secret) => secret.length > 8 && text.includes(secret));
}

/** @returns what is wrong; 'refused' for a refusal as it should be */
export async function judge(target: Target, bytes: Uint8Array): Promise<string | undefined> {
  try {
    return await target.run(bytes);
  } catch (error) {
    if (leaks(error, target.secrets ?? [])) return 'an error holds a secret';
    const name = error instanceof Error ? error.constructor.name : '';
    if (target.errors.includes(name)) return 'refused';
    return `threw ${name} ${describeError(error)}`;
  }
}

/** @param runs how many inputs are tried at most */
export async function fuzz(target: Target, runs: number, seed: number): Promise<FuzzResult> {
  const next = numbersFrom(seed);
  let accepted = 0;
  for (let done = 0; done < runs; done += 1) {
    // The first ones as they are, so that it is known that they pass.
    const bytes = target.seeds[done] ?? mutated(target.seeds, next);
    const problem = await judge(target, bytes);
    if (problem === 'refused') continue;
    accepted += 1;
    if (problem === undefined) continue;
    const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES_MAX)).toString('hex');
    return { target: target.name, runs: done + 1, accepted, problem: `${problem}: ${shown}` };
  }
  return { target: target.name, runs, accepted };
}

/** Fuzzes every parser, or some of them. */
export async function fuzzAll(
  runs: number,
  seed: number,
  only: readonly string[] = [],
): Promise<readonly FuzzResult[]> {
  const targets = targetsOf(await makeSeeds());
  const results: FuzzResult[] = [];
  for (const target of targets) {
    if (only.length > 0 && !only.includes(target.name)) continue;
    results.push(await fuzz(target, runs, seed));
  }
  return results;
}
