/** All replicas show one cluster with one history. */
import { bytesEqual } from '@witan/core';
import type { SettledFacts, VerifyFacts } from '../facts.ts';
import { failed, passed, skipped, type Outcome } from './outcome.ts';

export function checkAgreement({ settled }: VerifyFacts): Outcome {
  const [first, ...others] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  if (others.length === 0) return skipped('only one replica answered');
  const longest = settled.reduce((left, right) =>
    lengthOf(right) > lengthOf(left) ? right : left,
  );
  for (const other of others) {
    const difference = compare(first, other, longest);
    if (difference !== undefined) return difference;
  }
  return passed(`${settled.length} replicas show the same cluster`);
}

function compare(
  first: SettledFacts,
  other: SettledFacts,
  longest: SettledFacts,
): Outcome | undefined {
  const [mine, theirs] = [first.deployment, other.deployment];
  const where = `${first.endpoint} and ${other.endpoint}`;
  if (mine.clusterId !== theirs.clusterId) {
    return failed(`${where} belong to different clusters`, mine.clusterId, theirs.clusterId);
  }
  if (!bytesEqual(mine.rootCertificate, theirs.rootCertificate)) {
    return failed(`${where} have different root certificates`);
  }
  if (!bytesEqual(mine.historyPublicKey, theirs.historyPublicKey)) {
    return failed(`${where} have different history keys`);
  }
  // An update may come between two answers; a shorter history must be the beginning of the longest.
  const { hashes } = other.history.history;
  const newest = hashes.at(-1);
  const expected = longest.history.history.hashes[hashes.length - 1];
  if (newest === expected) return undefined;
  return failed(`${where} have different histories`, expected ?? 'nothing', newest ?? 'nothing');
}

function lengthOf({ history }: SettledFacts): number {
  return history.history.hashes.length;
}
