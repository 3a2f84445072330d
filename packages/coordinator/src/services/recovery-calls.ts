/** What replicas ask each other in a full recovery, by the identities that channels proved. */
import { incarnationId } from '@witan/core';
import type { PeerService } from '@witan/protocol';
import { ReplicaError, type RecoveryNotice } from '@witan/replica';
import { PublicError, type Handlers } from '@witan/transport';
import { isListed, type PeerClaims } from '../evidence/rules.ts';
import { noticeFromWire, noticeToWire, withoutSecrets } from '../peers/recovery-wire.ts';
import { ReopeningInbox } from '../peers/reopening.ts';
import type { ServiceContext } from './context.ts';
import { notYourself } from './raft-streams.ts';

/** The handlers of these calls. */
export function recoveryCalls(
  context: ServiceContext,
): Pick<Handlers<typeof PeerService, PeerClaims>, 'recover' | 'deliverReopening'> {
  const { replica } = context;
  const reopenings = new ReopeningInbox();
  return {
    recover: async (request, { peer }) => {
      const notice = noticeFromWire(request.notice);
      if (notice.self.incarnation !== peer.spkiSha256) throw notYourself();
      context.heardFrom(notice.self.slot);
      const answer = await noticed(context, notice);
      // A listed peer may help this replica, and is helped by it once it was judged by a manifest.
      const told = isListed(peer.claims) ? withoutSecrets(answer) : answer;
      return { notice: noticeToWire(told) };
    },

    // Like being let in: the way to the manifest may be a peer that is only listed.
    deliverReopening: async (requests, { peer }) => {
      const genesis = await reopenings.receive(requests);
      return replica.genesisDelivered(genesis, incarnationId(peer.spkiSha256));
    },
  };
}

/** @throws PublicError REPLICA_NOT_RECOVERING in a working cluster */
async function noticed(
  { replica }: ServiceContext,
  notice: RecoveryNotice,
): Promise<RecoveryNotice> {
  try {
    return await replica.recoveryNoticed(notice, notice.self.incarnation);
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error;
    const message = 'this replica has nothing to recover';
    throw new PublicError('FAILED_PRECONDITION', error.code, message, {}, error);
  }
}
