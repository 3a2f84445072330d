/** Which seed owners approve with `seed activate`: the one that every member holds. */
import type { SeedProgress } from '@witan/client';
import { CliError } from '../errors.ts';

/** The step that needs a commitment. */
export const ACTIVATE_SEED = 'seed activate';

/**
 * The words of a step, with the commitment that the cluster shows.
 *
 * @param expected the only one to approve, 64 hex digits; absent: any
 * @throws CliError CLI_SEED_NOT_PREPARED, CLI_SEED_COMMITMENT_DIFFERS
 */
export function wordsWithCommitment(
  words: string,
  { commitment }: Pick<SeedProgress, 'commitment'>,
  expected: string | undefined,
): string {
  if (words !== ACTIVATE_SEED) return words;
  if (commitment === undefined) {
    const message = 'no next seed is recorded yet; prepare it, and wait until status shows it';
    throw new CliError('CLI_SEED_NOT_PREPARED', message, { fields: { expected: 'a commitment' } });
  }
  if (expected !== undefined && expected !== commitment) {
    const message = 'the cluster holds another next seed than the one that was to be approved';
    const fields = { expected: expected.slice(0, 80), found: commitment };
    throw new CliError('CLI_SEED_COMMITMENT_DIFFERS', message, { fields });
  }
  return `${words} ${commitment}`;
}
