import { AttestationError } from '../../src/index.ts';

/** The code with which a call is refused, or `accepted`. Anything without a code is thrown on. */
export function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof AttestationError) return error.code;
    throw error;
  }
  return 'accepted';
}
