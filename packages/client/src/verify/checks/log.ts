/**
 * The audit log only grew: it continues the head that was seen last, and every replica shows a
 * continuation of what the replicas before it showed. Each was compared when it answered; this says
 * what was found.
 */
import { toHex } from '@witan/core';
import type { VerifyFacts } from '../facts.ts';
import { failed, passed, short, skipped, type Outcome } from './outcome.ts';

/** What was found wrong, in words. */
const KINDS: Readonly<Record<string, string>> = {
  MERKLE_LOG_SHRANK: 'shows a shorter log than was seen before',
  MERKLE_INCONSISTENT: 'shows a log that forked from the one seen before',
};

export function checkLog({ replicas, log }: VerifyFacts): Outcome {
  for (const facts of replicas) {
    if (facts.kind !== 'failed' || facts.error.code !== 'CLIENT_LOG_INCONSISTENT') continue;
    const { code, fields } = facts.error;
    const kind = KINDS[String(fields['check'])] ?? `gives no proof: ${String(fields['check'])}`;
    const detail = `${facts.endpoint} ${kind}`;
    return { ...failed(detail, String(fields['expected']), String(fields['found'])), code };
  }
  if (log === undefined) return skipped('no replica showed a signed head of a log');
  const { seen, head, events, tooOld } = log;
  const now = `${head.size} entries, root ${short(toHex(head.root))}`;
  if (seen === undefined) return passed(`${now}; seen for the first time`);
  if (tooOld === true) return skipped(`${now}; the one last seen is too old to be compared`);
  const added = head.size - seen.size;
  const listed = events === undefined ? ', too many or too old to be listed' : '';
  return passed(`${now}; ${added} since last seen${listed}`);
}
