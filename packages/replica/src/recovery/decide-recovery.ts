/**
 * Whether a cluster that lost its majority may open again, and from which state. A pure function of
 * what the replicas hold and what the owners authorised: the same facts give the same decision at
 * every replica, and no time that passes ever changes it.
 *
 * Assumes that reports come over attached channels from attested replicas, and that each state was
 * read with the seed. A state proves that it was once written by this cluster, and never that
 * nothing newer exists (I4): that is what the slots that have to answer and the floors are for.
 */
import type { ClusterId, Epoch, Generation, IncarnationId, Sha256Hex, SlotName } from '@witan/core';
import { compareToFloor, type Floor, type FloorVerdict } from '@witan/manifest';
import type { PeerIdentity } from '../standing.ts';

/** A voter of a configuration. */
export interface Voter {
  readonly slot: SlotName;
  readonly incarnation: IncarnationId;
}

/** How far the log of one incarnation reaches: on its slot's disk, or still in its memory. */
export interface HeldState {
  /** Whose log it is. */
  readonly incarnation: IncarnationId;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** Term and index of the last entry. */
  readonly term: number;
  readonly index: number;
  readonly generation: Generation;
  readonly transitionHash: Sha256Hex;
  /** The last configuration in the log, whether it was committed or not. */
  readonly voters: readonly Voter[];
  /** The outgoing half of a joint one; empty otherwise. */
  readonly votersOutgoing: readonly Voter[];
}

/** What one replica that takes part says of itself. */
export interface RecoveryReport {
  readonly self: PeerIdentity;
  readonly held: readonly HeldState[];
}

/** What one owner authorised, proved by handing in a share. */
export interface Authorisation {
  /** SHA-256 of the owner's public key. */
  readonly owner: Sha256Hex;
  /** The highest state that the owner has seen of this cluster. */
  readonly floor: Floor | undefined;
  /** Slots that the owner gives up: their state need not answer. */
  readonly acceptMissing: readonly SlotName[];
}

/** The facts of a recovery at one moment. */
export interface RecoveryFacts {
  /** One report for each slot that answers, the own one included. */
  readonly reports: readonly RecoveryReport[];
  readonly authorisations: readonly Authorisation[];
  /** Distinct shares that open the seed. */
  readonly shareThreshold: number;
  /** Whether the seed is there without shares: a surviving incarnation kept it in memory. */
  readonly seedInMemory: boolean;
}

/** Why the cluster stays shut. */
export type RecoveryObstacle =
  /** Too few owners have handed in a share. */
  | { readonly code: 'SHARES_MISSING'; readonly expected: number; readonly found: number }
  /** Nobody who answers holds any state. */
  | { readonly code: 'NO_STATE' }
  /** The disks belong to different clusters. */
  | { readonly code: 'CLUSTERS_DIFFER'; readonly clusters: readonly ClusterId[] }
  /** The best state is not what an owner has seen, or lies below it. */
  | { readonly code: 'BELOW_FLOOR'; readonly owner: Sha256Hex; readonly verdict: FloorVerdict }
  /** These slots of the last configuration have not answered with their state. */
  | { readonly code: 'STATE_MISSING'; readonly slots: readonly SlotName[] };

/** Everything that has to be known to open. */
export interface Opening {
  readonly kind: 'open';
  readonly best: HeldState;
  /** The slot that opens: the first by name of those that hold the best state. */
  readonly at: SlotName;
  /** The new epoch's first voters, ascending by slot. */
  readonly members: readonly PeerIdentity[];
  /** Slots given up, ascending. */
  readonly acceptedMissing: readonly SlotName[];
  /** Who authorised it, ascending. */
  readonly owners: readonly Sha256Hex[];
}

/** What follows from the facts. */
export type RecoveryDecision =
  | Opening
  | {
      readonly kind: 'wait';
      readonly obstacle: RecoveryObstacle;
      readonly best: HeldState | undefined;
    };

/** Decides. Obstacles are named one at a time, in the order in which a person can remove them. */
export function decideRecovery(facts: RecoveryFacts): RecoveryDecision {
  const held = facts.reports.flatMap((report) => report.held);
  const clusters = [...new Set(held.map((state) => state.clusterId))].toSorted();
  const best = held.toSorted(furthestFirst)[0];
  const wait = (obstacle: RecoveryObstacle): RecoveryDecision => ({ kind: 'wait', obstacle, best });
  if (best === undefined) return wait({ code: 'NO_STATE' });
  if (clusters.length > 1) return wait({ code: 'CLUSTERS_DIFFER', clusters });
  const owners = [...new Set(facts.authorisations.map(({ owner }) => owner))].toSorted();
  if (!facts.seedInMemory && owners.length < facts.shareThreshold) {
    const expected = facts.shareThreshold;
    return wait({ code: 'SHARES_MISSING', expected, found: owners.length });
  }
  const refusal = belowFloor(best, facts.authorisations);
  if (refusal !== undefined) return wait(refusal);
  const absent = absentSlots(best, facts.reports);
  const given = absent.filter((slot) => isGivenUp(slot, facts));
  const slots = absent.filter((slot) => !given.includes(slot));
  if (slots.length > 0) return wait({ code: 'STATE_MISSING', slots });
  const members = facts.reports.map(({ self }) => self).toSorted(bySlot);
  const holder = facts.reports
    .filter((report) => report.held.some((state) => furthestFirst(state, best) === 0))
    .map(({ self }) => self.slot)
    .toSorted()[0];
  if (holder === undefined) return wait({ code: 'NO_STATE' });
  return { kind: 'open', best, at: holder, members, acceptedMissing: given.toSorted(), owners };
}

/** Raft's order of logs within the order of epochs: who could have been elected over the rest. */
function furthestFirst(left: HeldState, right: HeldState): number {
  return right.epoch - left.epoch || right.term - left.term || right.index - left.index;
}

function bySlot(left: PeerIdentity, right: PeerIdentity): number {
  return left.slot < right.slot ? -1 : Number(left.slot > right.slot);
}

/**
 * The slots that have to answer and do not. A slot answers with the state of the very incarnation
 * that voted: what an earlier one left behind says nothing of what the later one accepted.
 *
 * In a joint configuration a slot that is being replaced has a voter in each half, and the one that
 * leaves is usually gone with its disk. It may be absent as long as every majority of its half has
 * a member that answers, because whatever was committed was held by such a majority.
 */
function absentSlots(best: HeldState, reports: readonly RecoveryReport[]): readonly SlotName[] {
  const isAbsent = ({ slot, incarnation }: Voter): boolean => {
    const report = reports.find(({ self }) => self.slot === slot);
    const isItsState = (item: HeldState): boolean =>
      item.incarnation === incarnation && item.epoch === best.epoch;
    return report?.held.some(isItsState) !== true;
  };
  const entering = new Set(best.voters.map(({ slot }) => slot));
  const absent = best.voters.filter(isAbsent);
  const gone = best.votersOutgoing.filter(isAbsent);
  const majority = Math.floor(best.votersOutgoing.length / 2) + 1;
  const needed = gone.filter(({ slot }) => gone.length >= majority || !entering.has(slot));
  return [...new Set([...absent, ...needed].map(({ slot }) => slot))];
}

/** As many owners as open the seed have to give a slot up. */
function isGivenUp(slot: SlotName, { authorisations, shareThreshold }: RecoveryFacts): boolean {
  const by = authorisations.filter(({ acceptMissing }) => acceptMissing.includes(slot));
  return shareThreshold > 0 && new Set(by.map(({ owner }) => owner)).size >= shareThreshold;
}

/** No owner may find less than he has seen (I6). */
function belowFloor(
  best: HeldState,
  authorisations: readonly Authorisation[],
): RecoveryObstacle | undefined {
  const mark = {
    clusterId: best.clusterId,
    epoch: best.epoch,
    commitIndex: best.index,
    generation: best.generation,
    transitionHash: best.transitionHash,
  };
  for (const { owner, floor } of authorisations) {
    if (floor === undefined) continue;
    const verdict = compareToFloor(mark, floor);
    if (verdict.kind !== 'ok') return { code: 'BELOW_FLOOR', owner, verdict };
  }
  return undefined;
}
