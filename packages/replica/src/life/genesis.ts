/** Checks of a founding before it is taken up. */
import { epoch as toEpoch, type Crypto, type Epoch, type IncarnationId } from '@witan/core';
import { NO_TRANSITION } from '@witan/manifest';
import { nodeIdOf } from '@witan/state-machine';
import type { ClusterLife, Genesis, PeerIdentity, Standing } from '../standing.ts';
import { fitsCluster, SEED_BYTES } from './seed-chain.ts';

const FIRST_EPOCH = 1;

export type GenesisRefusal =
  | 'ALREADY_IN_A_CLUSTER'
  | 'NOT_LISTED'
  | 'SENDER_NOT_LISTED'
  | 'SLOTS_DIFFER'
  | 'MEMBERS_MALFORMED'
  /** A reopening of an earlier epoch than this replica has promised. */
  | 'EPOCH_TOO_LOW'
  /** The cluster id is not that of the seed. */
  | 'SEED_MISMATCH';

/** The life of a cluster that a founding or reopening begins. */
export function lifeOf({ clusterId, reopening }: Genesis): ClusterLife {
  const first = { epoch: toEpoch(FIRST_EPOCH), opening: NO_TRANSITION };
  const { epoch, opening } = reopening ?? first;
  return { clusterId, epoch, opening };
}

/**
 * @param own this replica's standing
 * @param from the identity that the channel has proved
 * @param rules.promised no reopening of an earlier epoch is taken up
 * @returns why the founding must not be taken up; undefined when it may
 */
export function refuseGenesis(
  genesis: Genesis,
  own: Standing,
  from: IncarnationId,
  { promised, crypto }: { readonly promised: Epoch; readonly crypto: Crypto },
): GenesisRefusal | undefined {
  const { reopening, slots } = genesis;
  if (own.kind !== 'new' && own.kind !== (reopening === undefined ? 'unsettled' : 'sealed')) {
    return 'ALREADY_IN_A_CLUSTER';
  }
  if (reopening !== undefined && reopening.epoch < promised) return 'EPOCH_TOO_LOW';
  const isOneSeed = reopening !== undefined || genesis.seed.byteLength === SEED_BYTES;
  const fits = isOneSeed && fitsCluster(crypto, genesis.seed, genesis.clusterId);
  if (!fits) return 'SEED_MISMATCH';
  const isSlotKnown = slots.includes(own.self.slot);
  const areSlotsFine = reopening === undefined ? slots.join() === own.slots.join() : isSlotKnown;
  if (!areSlotsFine) return 'SLOTS_DIFFER';
  if (!areWellFormed(genesis)) return 'MEMBERS_MALFORMED';
  if (!genesis.members.some((member) => sameMember(member, own.self))) return 'NOT_LISTED';
  if (!genesis.members.some((member) => member.incarnation === from)) return 'SENDER_NOT_LISTED';
  return undefined;
}

/** One incarnation at most for each slot, in a founding for all, each with its own node id (I2). */
function areWellFormed(genesis: Genesis): boolean {
  const { members, slots, reopening } = genesis;
  const count = reopening === undefined ? slots.length : members.length;
  const filled = new Set(members.map((member) => member.slot));
  const nodeIds = new Set(members.map((member) => member.nodeId));
  return (
    members.length === count &&
    filled.size === count &&
    nodeIds.size === count &&
    members.every((member) => slots.includes(member.slot)) &&
    members.every((member) => member.nodeId === nodeIdOf(member.incarnation))
  );
}

function sameMember(left: PeerIdentity, right: PeerIdentity): boolean {
  return left.incarnation === right.incarnation && left.slot === right.slot;
}
