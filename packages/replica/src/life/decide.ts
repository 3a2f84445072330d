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
  /** A cluster lives: ask to be let in, first at this slot. */
  | { readonly kind: 'join'; readonly at: SlotName }
  /** All slots have answered and nobody has a cluster: this replica is the one to found it. */
  | { readonly kind: 'found'; readonly members: readonly PeerIdentity[] }
  | { readonly kind: 'wait'; readonly code: WaitCode; readonly slots: readonly SlotName[] };

/** What is waited for. */
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
  | 'ELECTION_PENDING';

/** The slot that founds: the first by name. */
export function founderOf(slots: readonly SlotName[]): SlotName | undefined {
  return slots.toSorted()[0];
}

/**
 * @param own this replica's standing: new, sealed or unsettled
 * @param answers standings of other slots, each from the slot that was asked
 */
export function decide(own: Standing, answers: ReadonlyMap<SlotName, Standing>): Decision {
  const others = own.slots.filter((slot) => slot !== own.self.slot);
  const standings = [...answers.values()];
  const host = standings.find((standing) => standing.kind === 'member');
  if (host !== undefined && host.cluster?.clusterId !== own.cluster?.clusterId) {
    return { kind: 'join', at: host.cluster?.leader?.slot ?? host.self.slot };
  }
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
