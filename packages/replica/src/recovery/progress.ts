/** How far a full recovery is, for owners and operators. Holds nothing secret. */
import { epoch as toEpoch, type ClusterId, type Sha256Hex, type SlotName } from '@witan/core';
import type { PeerIdentity } from '../standing.ts';
import {
  absentSlots,
  electable,
  furthestFirst,
  type Authorisation,
  type HeldState,
  type RecoveryDecision,
  type RecoveryObstacle,
  type RecoveryReport,
} from './decide-recovery.ts';
import type { KnownSeed } from './held-logs.ts';
import type { RecoveryNotice, SeedSource, ShareCount } from './ports.ts';

/** See the head of this file. */
export interface RecoveryProgress {
  /** Undefined while no disk and no peer says which cluster it was. */
  readonly clusterId: ClusterId | undefined;
  readonly shares: ShareCount;
  /** Recovery headers of disks, which nobody vouches for; each holds owners' encrypted shares. */
  readonly headers: readonly Uint8Array[];
  /** Where the seed came from; undefined while it is not here. */
  readonly seed: SeedSource | undefined;
  /** Voters of the best known state, by slot, ascending. */
  readonly expected: readonly SlotName[];
  /** Those of them that have answered with their state. */
  readonly answered: readonly SlotName[];
  readonly best: HeldState | undefined;
  /** Whether `best` was read with the seed; otherwise it is what disks claim. */
  readonly verified: boolean;
  /** Slots that owners give up, with the owners who said so. */
  readonly givenUp: readonly { readonly slot: SlotName; readonly owners: readonly Sha256Hex[] }[];
  /** Why the cluster is not open; undefined when nothing stands in the way any more. */
  readonly obstacle: RecoveryObstacle | undefined;
}

/** What a desk knows. */
export interface KnownOfRecovery {
  readonly share: ShareCount;
  readonly headers: readonly Uint8Array[];
  readonly seed: KnownSeed | undefined;
  readonly self: PeerIdentity;
  readonly held: readonly HeldState[];
  readonly notices: readonly RecoveryNotice[];
  readonly authorisations: readonly Authorisation[];
  /** Undefined where this replica cannot decide, because it has no seed. */
  readonly decision: RecoveryDecision | undefined;
}

/** Puts it together. */
export function progressOf(known: KnownOfRecovery): RecoveryProgress {
  const { share, headers, seed, self, held, notices, authorisations, decision } = known;
  const reports: readonly RecoveryReport[] = [{ self, held, promised: toEpoch(1) }, ...notices];
  const all = reports.flatMap((report) => report.held);
  const best = decision?.best ?? electable(all).toSorted(furthestFirst)[0];
  const voters = [...(best?.voters ?? []), ...(best?.votersOutgoing ?? [])];
  const expected = [...new Set(voters.map(({ slot }) => slot))].toSorted();
  const absent = best === undefined ? [] : absentSlots(best, reports);
  const slots = new Set(authorisations.flatMap(({ acceptMissing }) => acceptMissing));
  return {
    clusterId: best?.clusterId,
    shares: share,
    headers,
    seed: seed?.source,
    expected,
    answered: expected.filter((slot) => !absent.includes(slot)),
    best,
    verified: seed !== undefined,
    givenUp: [...slots].toSorted().map((slot) => ({
      slot,
      owners: authorisations
        .filter(({ acceptMissing }) => acceptMissing.includes(slot))
        .map(({ owner }) => owner),
    })),
    obstacle: obstacleOf(known, best, absent),
  };
}

function obstacleOf(
  { share, seed, decision }: KnownOfRecovery,
  best: HeldState | undefined,
  absent: readonly SlotName[],
): RecoveryObstacle | undefined {
  if (decision !== undefined) return decision.kind === 'wait' ? decision.obstacle : undefined;
  if (best === undefined) return { code: 'NO_STATE' };
  // The seed has just come, and the next round decides.
  if (seed !== undefined) return { code: 'PROMISES_MISSING', slots: [...absent].toSorted() };
  const isComplete = share.threshold > 0 && share.received >= share.threshold;
  if (isComplete) return { code: 'SEED_UNCONFIRMED' };
  const expected = Math.max(1, share.threshold);
  return { code: 'SHARES_MISSING', expected, found: share.received };
}
