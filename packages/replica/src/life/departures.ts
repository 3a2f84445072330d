/**
 * Who is taken out next when owners have removed slots (I2). A pure function of what the leader
 * knows: learners first, then voters that are not heard, then the others; one at a time, never the
 * leader, and never so that those who stay have no quorum of live voters that have caught up.
 */
import type { SlotName } from '@witan/core';
import type { Configuration } from '../engine.ts';
import type { PeerIdentity } from '../standing.ts';

/** What to do next. */
export type Departure =
  | { readonly kind: 'none' }
  /** This replica leads and has to leave: another one has to lead first. */
  | { readonly kind: 'step-down' }
  | { readonly kind: 'take-out'; readonly peer: PeerIdentity; readonly votes: boolean }
  /** Those who stay could not go on without these. */
  | { readonly kind: 'wait'; readonly for: readonly SlotName[] };

/** What the leader knows, outside of a joint configuration. */
export interface DepartureFacts {
  readonly slots: readonly SlotName[];
  readonly members: readonly PeerIdentity[];
  readonly configuration: Configuration;
  /** Node id of the leader. */
  readonly self: number;
  /** Heard lately and caught up. */
  readonly isReady: (nodeId: number) => boolean;
}

/** Decides; see the head of this file. */
export function nextDeparture(facts: DepartureFacts): Departure {
  const { slots, members, configuration, self, isReady } = facts;
  const leaving = members.filter(({ slot }) => !slots.includes(slot));
  const learner = leaving.find(({ nodeId }) => configuration.learners.includes(nodeId));
  if (learner !== undefined) return { kind: 'take-out', peer: learner, votes: false };
  const voters = leaving
    .filter(({ nodeId }) => configuration.voters.includes(nodeId) && nodeId !== self)
    .toSorted((left, right) => Number(isReady(left.nodeId)) - Number(isReady(right.nodeId)));
  const [next] = voters;
  if (next === undefined) return leaving.length === 0 ? { kind: 'none' } : { kind: 'step-down' };
  const rest = configuration.voters.filter((nodeId) => nodeId !== next.nodeId);
  const ready = rest.filter((nodeId) => isReady(nodeId)).length;
  if (ready > rest.length / 2) return { kind: 'take-out', peer: next, votes: true };
  const lacking = members.filter(({ nodeId }) => rest.includes(nodeId) && !isReady(nodeId));
  return { kind: 'wait', for: lacking.map(({ slot }) => slot) };
}
