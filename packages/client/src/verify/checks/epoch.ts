/** Full recoveries are visible (I7). */
import type { VerifyFacts } from '../facts.ts';
import { passed, skipped, type Outcome } from './outcome.ts';

export function checkEpoch({ settled, before }: VerifyFacts): Outcome {
  const [first] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  const { epoch } = first.deployment;
  const recoveries = epoch - 1;
  if (recoveries === 0) return passed('1: never recovered as a whole');
  const since = before.floor === undefined ? '' : `, was ${before.floor.epoch} when last seen`;
  return passed(`${epoch}: recovered as a whole ${recoveries} time(s)${since}`);
}
