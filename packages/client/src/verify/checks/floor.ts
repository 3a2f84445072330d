/** Nothing is older than what was seen before (I6). Each answer was compared when it came. */
import type { VerifyFacts } from '../facts.ts';
import { passed, skipped, type Outcome } from './outcome.ts';

export function checkFloor({ settled, before }: VerifyFacts): Outcome {
  const [first] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  const { commitIndex, generation } = first.deployment.mark;
  const now = `index ${commitIndex}, generation ${generation}`;
  const { floor } = before;
  if (floor === undefined) return passed(`${now}; kept as the floor from now on`);
  return passed(`${now}; floor ${floor.commitIndex}, ${floor.generation}`);
}
