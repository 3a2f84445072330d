/** Whether a verifier refused for one of the reasons that an index names. */
import type { AttestationErrorCode, Check } from '../src/index.ts';

/**
 * @param allowed for each reason the codes that it may have; none means that any will do
 * @param words the reasons as the index has them
 */
export function codeProblems(
  allowed: readonly (readonly AttestationErrorCode[])[],
  checks: readonly Check[],
  words: string,
): readonly string[] {
  // Reasons that are not in the tables allow any code: the verdict itself is compared elsewhere.
  if (allowed.length === 0 || allowed.some((codes) => codes.length === 0)) return [];
  const failed = checks.filter(({ passed }) => !passed).map(({ code }) => code);
  return failed.some((code) => allowed.flat().includes(code))
    ? []
    : [`expected a code for ${words}, found ${failed.join(', ')}`];
}
