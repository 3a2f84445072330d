/**
 * Whether a cluster that lost its majority may open again, and from which state. A pure function of
 * what the replicas hold and what the owners authorised: the same facts give the same decision at
 * every replica, and no time that passes ever changes it.
 *
 * Assumes that reports come over attached channels from attested replicas, and that each state was
 * read with the seed. A state proves that it was once written by this cluster, and never that
 * nothing newer exists (I4): that is what the slots that have to answer and the floors are for.
 */
import {
  assert,
  epoch as toEpoch,
  type ClusterId,
  type Epoch,
  type Generation,
  type IncarnationId,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import { compareToFloor, type Floor, type FloorVerdict } from '@witan/manifest';
import type { PeerIdentity } from '../standing.ts';

/** The epoch after the founding's. */
const FIRST_RECOVERED_EPOCH = 2;

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
  /** Hash of the recovery record that began the epoch; `NO_TRANSITION` in the first. */
  readonly opening: Sha256Hex;
  /** Term and index of the last entry. */
  readonly term: number;
  readonly index: number;
  readonly generation: Generation;
  readonly transitionHash: Sha256Hex;
  /** Number of the seed in force at its end; 1 where absent, as long as nothing was opened. */
  readonly seedNumber?: number;
  /** Number of the seed in force in what its holder had applied, so that it was committed. */
  readonly appliedSeed?: number;
  /** The last configuration in the log, whether it was committed or not. */
  readonly voters: readonly Voter[];
  /** The outgoing half of a joint one; empty otherwise. */
  readonly votersOutgoing: readonly Voter[];
}

/** What one replica that takes part says of itself. */
export interface RecoveryReport {
  readonly self: PeerIdentity;
  readonly held: readonly HeldState[];
  /**
   * It takes up no reopening of an earlier epoch than this, from now on. So what it does not hold
   * now it will not come to hold later, as in the first phase of Paxos.
   */
  readonly promised: Epoch;
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
  /** By owners whose shares open the seed. */
  readonly authorisations: readonly Authorisation[];
  /**
   * By owners whose shares are too few to prove anything. They open nothing and give nothing up,
   * and what they have seen counts all the same (I6).
   */
  readonly unproven: readonly Authorisation[];
  /** Distinct shares that open the seed. */
  readonly shareThreshold: number;
  /**
   * Whether the seed is there without shares: a surviving incarnation kept it in memory, or a
   * sealing provider opened it. Neither says that nothing newer exists.
   */
  readonly seedInMemory: boolean;
}

/** Why the cluster stays shut. */
export type RecoveryObstacle =
  /** Too few owners have handed in a share. */
  | { readonly code: 'SHARES_MISSING'; readonly expected: number; readonly found: number }
  /** The shares are here, and what they give has opened no disk yet. */
  | { readonly code: 'SEED_UNCONFIRMED' }
  /** Nobody who answers holds any state. */
  | { readonly code: 'NO_STATE' }
  /** The disks belong to different clusters. */
  | { readonly code: 'CLUSTERS_DIFFER'; readonly clusters: readonly ClusterId[] }
  /** The best state is not what an owner has seen, or lies below it. */
  | { readonly code: 'BELOW_FLOOR'; readonly owner: Sha256Hex; readonly verdict: FloorVerdict }
  /** These slots of the last configuration have not answered with their state. */
  | { readonly code: 'STATE_MISSING'; readonly slots: readonly SlotName[] }
  /** These slots have answered, and not yet promised the epoch that would begin. */
  | { readonly code: 'PROMISES_MISSING'; readonly slots: readonly SlotName[] }
  /** The last epoch was opened twice, and more than one of the openings may have gone on. */
  | { readonly code: 'OPENINGS_DIFFER'; readonly openings: readonly Sha256Hex[] };

/** Everything that has to be known to open. */
export interface Opening {
  readonly kind: 'open';
  /** The epoch that begins. */
  readonly epoch: Epoch;
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

/** The epoch that would begin now: above every one that anybody holds or has promised. */
export function nextEpoch(reports: readonly RecoveryReport[]): Epoch {
  const held = reports.flatMap((report) => report.held.map((state) => state.epoch + 1));
  const promised = reports.map((report) => report.promised);
  return toEpoch(Math.max(FIRST_RECOVERED_EPOCH, ...held, ...promised));
}

/** Decides. Obstacles are named one at a time, in the order in which a person can remove them. */
export function decideRecovery(facts: RecoveryFacts): RecoveryDecision {
  const { reports, authorisations } = facts;
  const held = reports.flatMap((report) => report.held);
  const clusters = [...new Set(held.map((state) => state.clusterId))].toSorted();
  const candidates = bestOfEachOpening(held);
  const complete = candidates.filter((state) => missingSlots(state, facts).length === 0);
  const [best] = complete.length === 1 ? complete : candidates;
  const wait = (obstacle: RecoveryObstacle): RecoveryDecision => ({ kind: 'wait', obstacle, best });
  if (best === undefined) return wait({ code: 'NO_STATE' });
  if (clusters.length > 1) return wait({ code: 'CLUSTERS_DIFFER', clusters });
  const owners = [...new Set(authorisations.map(({ owner }) => owner))].toSorted();
  if (!facts.seedInMemory && owners.length < facts.shareThreshold) {
    const expected = facts.shareThreshold;
    return wait({ code: 'SHARES_MISSING', expected, found: owners.length });
  }
  const refusal = belowFloor(best, [...authorisations, ...facts.unproven]);
  if (refusal !== undefined) return wait(refusal);
  if (candidates.length > 1 && complete.length !== 1) {
    const openings = candidates.map(({ opening }) => opening).toSorted();
    return wait({ code: 'OPENINGS_DIFFER', openings });
  }
  const slots = missingSlots(best, facts);
  if (slots.length > 0) return wait({ code: 'STATE_MISSING', slots });
  return open(best, owners, facts);
}

function open(
  best: HeldState,
  owners: readonly Sha256Hex[],
  facts: RecoveryFacts,
): RecoveryDecision {
  const { reports } = facts;
  const epoch = nextEpoch(reports);
  const late = reports.filter(({ promised }) => promised < epoch).map(({ self }) => self.slot);
  if (late.length > 0) {
    const obstacle = { code: 'PROMISES_MISSING' as const, slots: late.toSorted() };
    return { kind: 'wait', obstacle, best };
  }
  const members = reports.map(({ self }) => self).toSorted(bySlot);
  const holds = ({ held }: RecoveryReport): boolean =>
    held.some((state) => state.opening === best.opening && furthestFirst(state, best) === 0);
  const at = reports
    .filter(holds)
    .map(({ self }) => self.slot)
    .toSorted()[0];
  assert(at !== undefined, 'somebody reported the best state');
  const acceptedMissing = absentSlots(best, reports).toSorted();
  return { kind: 'open', epoch, best, at, members, acceptedMissing, owners };
}

/** Raft's order of logs within the order of epochs: who could have been elected over the rest. */
export function furthestFirst(left: HeldState, right: HeldState): number {
  return right.epoch - left.epoch || right.term - left.term || right.index - left.index;
}

/**
 * Those that can have been elected. Whoever has applied the step that put a seed into force shows
 * that it was committed, so every log that could be elected has that step; one without it that
 * claims to reach further was made by somebody who knows the former seed. A step that is only in a
 * log, and was applied by nobody, shows nothing: it may have lost to a later term (I3).
 */
export function electable(held: readonly HeldState[]): readonly HeldState[] {
  const committed = Math.max(1, ...held.map(({ appliedSeed = 1 }) => appliedSeed));
  return held.filter(({ seedNumber = 1 }) => seedNumber >= committed);
}

/**
 * The furthest state of each opening of the last epoch, the furthest of all first. More than one
 * only where replicas that were cut apart have opened the same epoch.
 */
function bestOfEachOpening(held: readonly HeldState[]): readonly HeldState[] {
  const best = new Map<Sha256Hex, HeldState>();
  const ordered = electable(held).toSorted(furthestFirst);
  for (const state of ordered) {
    const isOfLastEpoch = state.epoch === ordered[0]?.epoch;
    if (isOfLastEpoch && !best.has(state.opening)) best.set(state.opening, state);
  }
  return [...best.values()];
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
export function absentSlots(
  best: HeldState,
  reports: readonly RecoveryReport[],
): readonly SlotName[] {
  const isAbsent = ({ slot, incarnation }: Voter): boolean => {
    const report = reports.find(({ self }) => self.slot === slot);
    // The voter itself is there: what it does not hold, it has never accepted.
    if (report?.self.incarnation === incarnation) return false;
    const isItsState = (item: HeldState): boolean =>
      item.incarnation === incarnation &&
      item.epoch === best.epoch &&
      item.opening === best.opening;
    return report?.held.some(isItsState) !== true;
  };
  const entering = new Set(best.voters.map(({ slot }) => slot));
  const absent = best.voters.filter(isAbsent);
  const gone = best.votersOutgoing.filter(isAbsent);
  const majority = Math.floor(best.votersOutgoing.length / 2) + 1;
  const needed = gone.filter(({ slot }) => gone.length >= majority || !entering.has(slot));
  return [...new Set([...absent, ...needed].map(({ slot }) => slot))];
}

/** Absent, and not given up. */
function missingSlots(best: HeldState, facts: RecoveryFacts): readonly SlotName[] {
  return absentSlots(best, facts.reports).filter((slot) => !isGivenUp(slot, facts));
}

/** As many owners as open the seed have to give a slot up. */
export function isGivenUp(
  slot: SlotName,
  { authorisations, shareThreshold }: Pick<RecoveryFacts, 'authorisations' | 'shareThreshold'>,
): boolean {
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
