/** All replicas show one cluster with one history. */
import { bytesEqual } from '@witan/core';
import { longestOf, type SettledFacts, type VerifyFacts } from '../facts.ts';
import { failed, passed, skipped, type Outcome } from './outcome.ts';

export function checkAgreement({ settled }: VerifyFacts): Outcome {
  const [first, ...others] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  if (others.length === 0) return skipped('only one replica answered');
  const longest = longestOf(settled) ?? first;
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
  if (newest !== expected) {
    return failed(`${where} have different histories`, expected ?? 'nothing', newest ?? 'nothing');
  }
  return compareRecoveries(first, other, where);
}

/** A recovery may come between two answers as well. */
function compareRecoveries(
  first: SettledFacts,
  other: SettledFacts,
  where: string,
): Outcome | undefined {
  const [mine, theirs] = [first.history.recovered.hashes, other.history.recovered.hashes];
  const at = mine.findIndex((hash, index) => index < theirs.length && hash !== theirs[index]);
  if (at < 0) return undefined;
  return failed(`${where} have different recoveries`, mine[at], theirs[at]);
}
