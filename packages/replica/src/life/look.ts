/** Looking around: who answers at the other slots, and what that says about this incarnation. */
import type { SlotName } from '@witan/core';
import type { Configuration } from '../engine.ts';
import type { Answer, PeerCalls } from '../ports.ts';
import type { Standing } from '../standing.ts';

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
