/** Peers that may let this replica in, and get nothing from it before a manifest says so. */
import { PublicError, type AttestedPeer } from '@witan/transport';
import { isListed, type PeerClaims } from '../evidence/rules.ts';
import type { ServiceContext } from './context.ts';

/**
 * Where no manifest is in force, only replicas like this one may found a cluster or be let into it
 * (decision record 0045). A listed peer stays out until the manifest decides.
 */
export function refuseStranger(context: ServiceContext, peer: AttestedPeer<PeerClaims>): void {
  if (!isStranger(context, peer)) return;
  const message = 'before the first manifest all replicas must be of one kind and build';
  throw new PublicError('FAILED_PRECONDITION', 'NOT_SIMILAR', message);
}

/** Whether no manifest is in force here and the peer is only listed. */
function isStranger({ replica }: ServiceContext, { claims }: AttestedPeer<PeerClaims>): boolean {
  // Judged before the manifest came into force; the channel is judged again at once.
  return isListed(claims) && replica.manifestInForce === undefined;
}
