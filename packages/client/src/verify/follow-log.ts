/**
 * Following the audit log from replica to replica: the first one shows what happened since the head
 * that was seen last, and each further one that its log goes on from there.
 */
import type { Crypto } from '@witan/core';
import { RemoteError } from '@witan/transport';
import type { HighWaterMark, TreeHead } from '@witan/manifest';
import type { Anchors } from '../anchors.ts';
import { checkGrown, checkLogContinues, fetchLeaves, type NumberedLeaf } from '../audit-log.ts';
import type { Attempt } from '../connector.ts';
import { ClientError } from '../errors.ts';

/** What the replicas have shown of the log so far. */
export interface FollowedLog {
  /** Before this run; absent at first contact. */
  readonly seen: TreeHead | undefined;
  readonly head: TreeHead;
  /** Since then, or of all that is kept; absent where they are too many or no longer kept. */
  readonly events: readonly NumberedLeaf[] | undefined;
  /** The head seen was so old that the cluster keeps no proof; there is nothing to go on from. */
  readonly tooOld?: boolean;
}

/** More entries than this are proved and counted, but not fetched. */
const EVENTS_MAX = 100_000;

/** @throws ClientError CLIENT_LOG_INCONSISTENT; RemoteError, TransportError */
export async function followLog(
  attempt: Attempt,
  before: FollowedLog | undefined,
  mark: HighWaterMark,
  anchors: Anchors,
  crypto: Crypto,
): Promise<FollowedLog | undefined> {
  const seen = anchors.knownOf(mark.clusterId).log;
  const last = before?.head ?? seen;
  if (mark.log === undefined) {
    if (last === undefined) return undefined;
    const fields = { check: 'MERKLE_LOG_SHRANK', expected: last.size, found: 0 };
    throw new ClientError('CLIENT_LOG_INCONSISTENT', fields);
  }
  checkGrown(last, mark.log);
  if (before !== undefined) {
    const head = await checkLogContinues(attempt, before.head, anchors, crypto);
    return { ...before, head };
  }
  if (seen === undefined) {
    const isLong = mark.log.size > EVENTS_MAX;
    if (isLong) return { seen, head: mark.log, events: undefined };
    const { head, leaves } = await fetchLeaves(attempt, {}, anchors, crypto);
    return { seen, head, events: leaves };
  }
  const head = await provedHead(attempt, seen, anchors, crypto);
  if (head === undefined) return { seen, head: mark.log, events: undefined, tooOld: true };
  if (head.size - seen.size > EVENTS_MAX) return { seen, head, events: undefined };
  const fetched = await fetchLeaves(attempt, { sinceSeen: true }, anchors, crypto);
  const events = fetched.from === seen.size ? fetched.leaves : undefined;
  return { seen, head: fetched.head, events };
}

/** Undefined where an attested replica says that it no longer keeps what the proof would take. */
async function provedHead(
  attempt: Attempt,
  seen: TreeHead,
  anchors: Anchors,
  crypto: Crypto,
): Promise<TreeHead | undefined> {
  try {
    return await checkLogContinues(attempt, seen, anchors, crypto);
  } catch (error) {
    if (error instanceof RemoteError && error.detail?.code === 'MERKLE_PRUNED') return undefined;
    throw error;
  }
}
