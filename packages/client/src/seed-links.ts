/**
 * Following a history key that came with another seed. Each link is signed by the key before it,
 * which whoever stole that seed could do as well; so the owners' approval of the very next key is
 * checked too, by the manifest of then, which is reached from the floor by approvals alone.
 */
import { bytesEqual } from '@witan/core';
import {
  checkApprovalsOfHistory,
  checkSeedApprovals,
  ManifestError,
  type ApprovalRules,
} from '@witan/manifest';
import type { Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import type { AppraisalSettings } from './coordinator-verifier.ts';
import { ClientError } from './errors.ts';
import { fetchHistory, type AskHistory, type FetchedHistory } from './history.ts';
import { fetchManifests, type ManifestsOfHistory } from './manifests.ts';

/** Whether an answer may have been refused only because its key is a later one. */
export function mayBeLaterKey(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false;
  if (error.code === 'CLIENT_MARK_INVALID') return true;
  return error.code === 'CLIENT_PIN_MISMATCH' && error.fields['anchor'] === 'history key';
}

/**
 * Asks how the history key came from the pinned one, and keeps the later one where owners approved
 * every link between them.
 *
 * @returns whether there is another key than before
 * @throws ClientError CLIENT_PIN_MISMATCH where no links lead from the pinned key,
 *   CLIENT_HISTORY_INVALID, CLIENT_SEED_LINK_UNCHECKED; RemoteError, TransportError
 */
export async function followSeeds(
  attempt: Attempt,
  anchors: Anchors,
  settings: AppraisalSettings,
  ask: AskHistory,
): Promise<boolean> {
  const fetched = await fetchHistory(attempt, anchors, settings, { ask, follows: true });
  const { clusterId } = fetched.answer;
  const { historyPublicKey: pinned, floor } = anchors.knownOf(clusterId);
  if (pinned === undefined || bytesEqual(pinned, fetched.keys.newest)) return false;
  const manifests: ManifestsOfHistory = new Map();
  await fetchManifests(attempt, fetched.history, manifests, settings, ask);
  const seen = fetched.keys.all.findIndex((key) => bytesEqual(key, pinned));
  const unchecked = uncheckedOf(fetched, manifests, settings);
  const generations = unchecked.generations.filter(
    (number) => number > (floor?.generation ?? 0) && number <= unchecked.lastNeeded,
  );
  // Seed n has the key at n-1: those behind the pinned one have to be checked.
  const seeds = unchecked.seeds.filter((number) => number > seen + 1);
  if (floor === undefined || generations.length + seeds.length > 0) {
    const expected = 'a floor, and approvals of all links and manifests since';
    const missing = [...generations.map((number) => `generation ${number}`), ...seeds];
    const found = floor === undefined ? 'no floor' : `nothing of ${missing.join(', ')}`;
    throw new ClientError('CLIENT_SEED_LINK_UNCHECKED', { expected, found });
  }
  anchors.follow(clusterId, fetched.keys);
  return true;
}

/** @throws ClientError CLIENT_HISTORY_INVALID for an approval that does not fit */
function uncheckedOf(
  { history, keys }: FetchedHistory,
  manifests: ManifestsOfHistory,
  { crypto }: AppraisalSettings,
) {
  const manifestOf = (generation: number): ApprovalRules | undefined => {
    const hash = history.hashes[generation - 1];
    return hash === undefined ? undefined : manifests.get(hash);
  };
  try {
    return {
      generations: checkApprovalsOfHistory(history, manifestOf, crypto),
      seeds: checkSeedApprovals(keys.links, history, manifestOf, crypto),
      lastNeeded: keys.links.at(-1)?.generation ?? 0,
    };
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    throw new ClientError('CLIENT_HISTORY_INVALID', { check: cause.code, ...cause.fields }, cause);
  }
}
