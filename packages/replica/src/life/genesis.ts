/** Checks of a founding before it is taken up. */
import { nodeIdOf } from '@witan/state-machine';
import type { IncarnationId } from '@witan/core';
import type { Genesis, PeerIdentity, Standing } from '../standing.ts';

export type GenesisRefusal =
  | 'ALREADY_IN_A_CLUSTER'
  | 'NOT_LISTED'
  | 'SENDER_NOT_LISTED'
  | 'SLOTS_DIFFER'
  | 'MEMBERS_MALFORMED';

/**
 * @param own this replica's standing
 * @param from the identity that the channel has proved
 * @returns why the founding must not be taken up; undefined when it may
 */
export function refuseGenesis(
  genesis: Genesis,
  own: Standing,
  from: IncarnationId,
): GenesisRefusal | undefined {
  if (own.kind !== 'new' && own.kind !== 'unsettled') return 'ALREADY_IN_A_CLUSTER';
  if (genesis.slots.join(',') !== own.slots.join(',')) return 'SLOTS_DIFFER';
  if (!areWellFormed(genesis)) return 'MEMBERS_MALFORMED';
  if (!genesis.members.some((member) => sameMember(member, own.self))) return 'NOT_LISTED';
  if (!genesis.members.some((member) => member.incarnation === from)) return 'SENDER_NOT_LISTED';
  return undefined;
}

/** One incarnation for each slot, each with its own node id (I2). */
function areWellFormed(genesis: Genesis): boolean {
  const { members, slots } = genesis;
  const filled = new Set(members.map((member) => member.slot));
  const nodeIds = new Set(members.map((member) => member.nodeId));
  return (
    members.length === slots.length &&
    filled.size === slots.length &&
    nodeIds.size === slots.length &&
    members.every((member) => slots.includes(member.slot)) &&
    members.every((member) => member.nodeId === nodeIdOf(member.incarnation))
  );
}

function sameMember(left: PeerIdentity, right: PeerIdentity): boolean {
  return left.incarnation === right.incarnation && left.slot === right.slot;
}
