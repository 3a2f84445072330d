/** Short ways to write a check's outcome. */
import type { VerifyCheck } from '../report.ts';

/** A check without its name and title. */
export type Outcome = Omit<VerifyCheck, 'name' | 'title'>;

export const passed = (detail: string): Outcome => ({ kind: 'passed', detail });
export const skipped = (detail: string): Outcome => ({ kind: 'skipped', detail });

export function failed(detail: string, expected?: string, found?: string): Outcome {
  return {
    kind: 'failed',
    detail,
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
  };
}

/** The end of a long digest is of no use to a reader. */
export const short = (hex: string): string => hex.slice(0, 16);
