/** Looking around: who answers at the other slots, and what that says about this incarnation. */
import type { SlotName } from '@witan/core';
import type { Configuration } from '../engine.ts';
import type { Answer, PeerCalls } from '../ports.ts';
import { isSameLife, type ClusterLife, type PeerIdentity, type Standing } from '../standing.ts';

/**
 * Greets every other slot: those it was measured with, and those that members of its cluster have.
 * Whoever does not answer, or answers for another slot, is left out.
 */
export async function greetAll(
  options: { readonly slots: readonly SlotName[]; readonly peers: PeerCalls },
  own: Standing,
): Promise<ReadonlyMap<SlotName, Standing>> {
  const known = new Set([
    ...options.slots,
    ...(own.cluster?.members ?? []).map(({ slot }) => slot),
  ]);
  const others = [...known].filter((slot) => slot !== own.self.slot);
  const answers = new Map<SlotName, Standing>();
  await Promise.all(
    others.map(async (slot) => {
      const answer: Answer<Standing> | undefined = await options.peers
        .greet(slot, own)
        .catch(() => undefined);
      const isHonest = answer?.from === answer?.value.self.incarnation;
      if (answer?.value.self.slot === slot && isHonest) answers.set(slot, answer.value);
    }),
  );
  return answers;
}

/** Whether somebody who answers has a leader. */
export function isLed(answers: ReadonlyMap<SlotName, Standing>): boolean {
  return [...answers.values()].some(({ cluster }) => cluster?.leader !== undefined);
}

/**
 * Whether a peer is further than this replica and does not count it among the members. Node ids are
 * never used again, so that whoever was a member and is none in a later state was replaced (I2).
 */
export function wasReplaced(
  own: Standing,
  configuration: Configuration | undefined,
  answers: ReadonlyMap<SlotName, Standing>,
): boolean {
  if (own.cluster === undefined || configuration === undefined) return false;
  const { voters, votersOutgoing, learners } = configuration;
  // A newcomer without a snapshot is no member in its own eyes and proves nothing.
  if (![...voters, ...votersOutgoing, ...learners].includes(own.self.nodeId)) return false;
  const { clusterId, appliedIndex } = own.cluster;
  return [...answers.values()].some(
    ({ cluster }) =>
      cluster?.clusterId === clusterId &&
      cluster.appliedIndex > appliedIndex &&
      !cluster.members.some((peer) => peer.incarnation === own.self.incarnation),
  );
}

/**
 * Whether a member's cluster can never again have a majority: so many of its voters are gone that
 * the rest is too few. A voter is gone when its slot answers with another incarnation, which has no
 * cluster, or when owners have given the slot up. One that only does not answer may come back.
 */
export function isStranded(
  own: {
    readonly self: PeerIdentity;
    readonly members: readonly PeerIdentity[];
    readonly configuration: Configuration;
    readonly isGivenUp: (slot: SlotName) => boolean;
  },
  answers: ReadonlyMap<SlotName, Standing>,
): boolean {
  const isGone = (nodeId: number): boolean => {
    const voter = own.members.find((member) => member.nodeId === nodeId);
    if (voter === undefined || nodeId === own.self.nodeId) return false;
    const answer = answers.get(voter.slot);
    const isAnother = answer !== undefined && answer.self.incarnation !== voter.incarnation;
    const hasNone = answer?.kind === 'sealed' || answer?.kind === 'new';
    const hasLeft = !isAnother && answer?.kind === 'sealed';
    return (isAnother && hasNone) || hasLeft || own.isGivenUp(voter.slot);
  };
  const { voters, votersOutgoing } = own.configuration;
  return [voters, votersOutgoing].some((half) => {
    const left = half.filter((nodeId) => !isGone(nodeId)).length;
    return half.length > 0 && left <= half.length / 2;
  });
}

/**
 * Whether a cluster goes on elsewhere, with a leader: in another epoch or opening, or in the very
 * life that this replica has left for a recovery.
 */
export function isSuperseded(
  past: ClusterLife,
  hasLeft: boolean,
  answers: ReadonlyMap<SlotName, Standing>,
): boolean {
  return [...answers.values()].some(({ cluster }) => {
    if (cluster?.clusterId !== past.clusterId || cluster.leader === undefined) return false;
    return hasLeft || !isSameLife(cluster, past);
  });
}
