/**
 * Nothing is older than what was seen before, and nothing forked (I6). Each answer was compared
 * when it came; this says which replica showed what.
 */
import type { ClientErrorCode } from '../../errors.ts';
import type { VerifyFacts } from '../facts.ts';
import { failed, passed, skipped, type Outcome } from './outcome.ts';

const BELOW: readonly ClientErrorCode[] = ['CLIENT_BELOW_FLOOR', 'CLIENT_HISTORY_FORKED'];

/** What the `check` of an error says, in words. */
const KINDS: Readonly<Record<string, string>> = {
  'lower-epoch': 'shows a lower epoch',
  'lower-index': 'shows a lower index',
  'lower-generation': 'shows a lower generation',
  'recovered-from-lower-epoch': 'was recovered from a lower epoch',
  'recovered-from-lower-index': 'was recovered from a lower index',
  transitions: 'forked: another transition than seen before',
  recoveries: 'forked: another recovery than seen before',
};

export function checkFloor({ replicas, settled, before }: VerifyFacts): Outcome {
  for (const facts of replicas) {
    if (facts.kind !== 'failed' || !BELOW.includes(facts.error.code)) continue;
    const { code, fields } = facts.error;
    const kind = KINDS[String(fields['check'])] ?? String(fields['check']);
    const detail = `${facts.endpoint} ${kind}`;
    return { ...failed(detail, String(fields['expected']), String(fields['found'])), code };
  }
  const [first] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  const { commitIndex, generation } = first.deployment.mark;
  const now = `index ${commitIndex}, generation ${generation}`;
  const { floor } = before;
  if (floor === undefined) return passed(`${now}; kept as the floor from now on`);
  return passed(`${now}; floor ${floor.commitIndex}, ${floor.generation}`);
}
