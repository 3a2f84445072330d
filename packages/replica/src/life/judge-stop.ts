/**
 * Whether the process of a slot may stop without the rest losing its quorum. A pure function of
 * what the leader knows, so that every case can be tested; who is ready is not decided here.
 */
import type { SlotName } from '@witan/core';
import type { Configuration } from '../engine.ts';
import type { PeerIdentity } from '../standing.ts';

/** Why a slot may not stop now. */
export type StopRefusal =
  /** The cluster has no such slot, and no member of it. */
  | 'SLOT_UNKNOWN'
  /** Somebody is being swapped in, or leaves: wait for it. */
  | 'SWAP_UNDER_WAY'
  /** Too few of the other voters are reachable and have caught up. */
  | 'QUORUM_WOULD_BE_LOST';

/** The verdict, with what it rests on. */
export interface StopVerdict {
  readonly safe: boolean;
  /** Absent where it is safe. */
  readonly code?: StopRefusal;
  /** Voters that a quorum takes. */
  readonly needed: number;
  /** Voters that would remain, reachable and caught up. */
  readonly ready: readonly SlotName[];
  /** Voters that would remain and are not. */
  readonly missing: readonly SlotName[];
}

/** What the leader knows. */
export interface StopFacts {
  readonly slots: readonly SlotName[];
  readonly members: readonly PeerIdentity[];
  readonly configuration: Configuration;
  /** Reachable and caught up. */
  readonly isReady: (nodeId: number) => boolean;
}

/** Judges by the configuration in force: stopping a process changes no configuration. */
export function judgeStop(slot: SlotName, facts: StopFacts): StopVerdict {
  const { members, configuration, isReady } = facts;
  const { voters, votersOutgoing, learners } = configuration;
  const needed = Math.floor(voters.length / 2) + 1;
  const rest = members.filter((peer) => voters.includes(peer.nodeId) && peer.slot !== slot);
  const slotsOf = (wanted: boolean): readonly SlotName[] =>
    rest.filter(({ nodeId }) => isReady(nodeId) === wanted).map((peer) => peer.slot);
  const counts = { needed, ready: slotsOf(true), missing: slotsOf(false) };
  const refuse = (code: StopRefusal): StopVerdict => ({ safe: false, code, ...counts });
  if (!facts.slots.includes(slot) && !members.some((peer) => peer.slot === slot)) {
    return refuse('SLOT_UNKNOWN');
  }
  // A learner that is not heard waits for nothing: its process has ended.
  const isJoining = members.some(
    (peer) => peer.slot !== slot && learners.includes(peer.nodeId) && isReady(peer.nodeId),
  );
  if (votersOutgoing.length > 0 || isJoining) return refuse('SWAP_UNDER_WAY');
  return counts.ready.length < needed ? refuse('QUORUM_WOULD_BE_LOST') : { safe: true, ...counts };
}
