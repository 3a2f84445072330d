/**
 * What a replica without a working cluster does next, from its own standing and its peers' answers.
 * A pure function: the same answers give the same decision.
 *
 * Nothing here ever waits for a time to pass: no timeout founds a cluster.
 */
import type { SlotName } from '@witan/core';
import type { PeerIdentity, Standing } from '../standing.ts';

/** What to do next. */
export type Decision =
  /** A cluster lives: ask to be let in, at these slots in turn. */
  | { readonly kind: 'join'; readonly at: readonly SlotName[] }
  /** All slots have answered and nobody has a cluster: this replica is the one to found it. */
  | { readonly kind: 'found'; readonly members: readonly PeerIdentity[] }
  | ({ readonly kind: 'wait' } & Waiting);

/** What is waited for, and from whom. */
export interface Waiting {
  readonly code: WaitCode;
  readonly slots: readonly SlotName[];
}

/** Why nothing can be done now. */
export type WaitCode =
  /** These slots have not answered. */
  | 'SLOTS_MISSING'
  /** All have answered; the first slot by name founds. */
  | 'FOUNDER_ACTS'
  /** These slots were configured with other slot names. */
  | 'SLOTS_DIFFER'
  /** These slots hold sealed state and no cluster lives: owners have to recover it. */
  | 'RECOVERY_NEEDED'
  /** A majority of a cluster without a manifest is there; it will elect its leader. */
  | 'ELECTION_PENDING'
  /** Let in, and nothing of the cluster's state has come yet. */
  | 'STATE_PENDING';

/** The slot that founds: the first by name. */
export function founderOf(slots: readonly SlotName[]): SlotName | undefined {
  return slots.toSorted()[0];
}

/**
 * @param own this replica's standing: new, sealed or unsettled; or member, when it was let in and
 *   no configuration that it has applied names it. Its admission may be void, so it asks again.
 * @param answers standings of other slots, each from the slot that was asked
 */
export function decide(own: Standing, answers: ReadonlyMap<SlotName, Standing>): Decision {
  const others = own.slots.filter((slot) => slot !== own.self.slot);
  const standings = [...answers.values()];
  const at = hostsOf(own, answers);
  if (at.length > 0) return { kind: 'join', at };
  if (own.kind === 'member') return { kind: 'wait', code: 'STATE_PENDING', slots: [] };
  const all = [own, ...standings];
  const sealed = all.filter((standing) => standing.kind === 'sealed');
  if (sealed.length > 0) {
    return { kind: 'wait', code: 'RECOVERY_NEEDED', slots: slotsOf(sealed) };
  }
  const missing = others.filter((slot) => !answers.has(slot));
  if (missing.length > 0) return { kind: 'wait', code: 'SLOTS_MISSING', slots: missing };
  const differing = standings.filter((standing) => !sameSlots(standing, own));
  if (differing.length > 0)
    return { kind: 'wait', code: 'SLOTS_DIFFER', slots: slotsOf(differing) };
  if (hasQuorum(all, own.slots.length))
    return { kind: 'wait', code: 'ELECTION_PENDING', slots: [] };
  if (founderOf(own.slots) !== own.self.slot) {
    return { kind: 'wait', code: 'FOUNDER_ACTS', slots: [] };
  }
  return { kind: 'found', members: all.map((standing) => standing.self) };
}

/**
 * Whom to ask, best first: the leader by the word of whoever is furthest, then whoever said so. One
 * cluster after another, because one of them may be dead and not know it.
 */
function hostsOf(own: Standing, answers: ReadonlyMap<SlotName, Standing>): readonly SlotName[] {
  const hosts = [...answers.values()].filter(({ kind, cluster }) => {
    const isOwn = cluster?.clusterId === own.cluster?.clusterId;
    return kind === 'member' && isOwn === (own.kind === 'member');
  });
  const indexOf = ({ cluster }: Standing): number => cluster?.appliedIndex ?? 0;
  const slots = hosts
    .toSorted((left, right) => indexOf(right) - indexOf(left))
    .flatMap(({ self, cluster }) => [cluster?.leader?.slot ?? self.slot, self.slot]);
  return [...new Set(slots)].filter((slot) => answers.has(slot));
}

/** Whether some cluster among the standings has a majority of its slots there. */
function hasQuorum(standings: readonly Standing[], slotCount: number): boolean {
  const counts = new Map<string, number>();
  for (const { cluster } of standings) {
    if (cluster === undefined) continue;
    counts.set(cluster.clusterId, (counts.get(cluster.clusterId) ?? 0) + 1);
  }
  return [...counts.values()].some((count) => count > slotCount / 2);
}

function sameSlots(left: Standing, right: Standing): boolean {
  return left.slots.join(',') === right.slots.join(',');
}

function slotsOf(standings: readonly Standing[]): readonly SlotName[] {
  return standings.map((standing) => standing.self.slot);
}
