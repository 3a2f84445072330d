/** Full recoveries are visible (I7): their chain was verified with the history. */
import { longestOf, type VerifyFacts } from '../facts.ts';
import { passed, skipped, type Outcome } from './outcome.ts';

export function checkEpoch({ settled, before }: VerifyFacts): Outcome {
  const longest = longestOf(settled);
  if (longest === undefined) return skipped('no replica could be verified');
  const { epoch } = longest.history.mark;
  const { recoveries } = longest.history.recovered;
  if (recoveries.length === 0) return passed('1: never recovered as a whole');
  const missing = new Set(recoveries.flatMap(({ acceptedMissing }) => acceptedMissing));
  const lost = missing.size === 0 ? '' : `, without ${[...missing].toSorted().join(', ')}`;
  const since = before.floor === undefined ? '' : `, was ${before.floor.epoch} when last seen`;
  return passed(`${epoch}: recovered as a whole ${recoveries.length} time(s)${lost}${since}`);
}
