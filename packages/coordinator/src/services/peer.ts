/** The peer service: what other replicas ask, each by the identity that its channel proved. */
import { incarnationId, slotName } from '@witan/core';
import { PeerService } from '@witan/protocol';
import type { AttestedPeer, ServiceRegistration } from '@witan/transport';
import { serviceRegistration, PublicError } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { encodeResult } from '../operations.ts';
import { confirmAnswerToWire, confirmRequestFromWire } from '../peers/confirm-wire.ts';
import {
  genesisFromWire,
  joinAnswerToWire,
  memberFromWire,
  memberToWire,
  operationFromWire,
  standingFromWire,
  standingToWire,
} from '../peers/wire.ts';
import { WRITE_MS, type ServiceContext } from './context.ts';
import { raftStreams } from './raft-streams.ts';

export function peerService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  const { replica, writer } = context;
  return serviceRegistration<typeof PeerService, PeerClaims>(PeerService, {
    greet: (request, { peer }) => {
      refuseStranger(context, peer);
      const caller = standingFromWire(request.standing);
      context.heardFrom(caller.self.slot);
      return Promise.resolve({ standing: standingToWire(replica.greeted(caller)) });
    },

    deliverGenesis: (request, { peer }) => {
      refuseStranger(context, peer);
      return Promise.resolve(
        replica.genesisDelivered(genesisFromWire(request), incarnationId(peer.spkiSha256)),
      );
    },

    join: async (request, { peer }) => {
      refuseStranger(context, peer);
      const answer = await replica.joinAsked(
        { self: memberFromWire(request.self), slots: request.slots.slice(0, 64).map(slotName) },
        incarnationId(peer.spkiSha256),
      );
      return joinAnswerToWire(answer);
    },

    confirmLog: async (request, { peer }) => {
      const { cluster } = replica;
      if (cluster === undefined) return confirmAnswerToWire({ kind: 'not-leader' });
      const from = incarnationId(peer.spkiSha256);
      return confirmAnswerToWire(await cluster.confirmLog(confirmRequestFromWire(request), from));
    },

    ...raftStreams<PeerClaims>(
      () => replica.cluster,
      (bytes) => {
        context.counters.count('snapshot_bytes_received', bytes);
      },
    ),

    execute: async (request, { peer }) => {
      // Any attested replica may forward a write, a member only of this cluster.
      const isMember = replica.cluster
        ?.members()
        .some((member) => member.incarnation === peer.spkiSha256);
      if (isMember !== true) return { code: 'NOT_A_MEMBER' };
      const answer = await writer.executeHere(operationFromWire(request), WRITE_MS);
      switch (answer.kind) {
        case 'done':
          return { result: encodeResult(answer.result), index: BigInt(answer.index) };
        case 'failed':
          return { code: answer.code };
        case 'not-leader': {
          const leader = answer.leader === undefined ? {} : { leader: memberToWire(answer.leader) };
          return { code: 'REPLICA_NOT_LEADER', ...leader };
        }
        default:
          return answer satisfies never;
      }
    },
  });
}

/**
 * Where no manifest is in force, only replicas like this one may found a cluster or be let into it
 * (decision record 0045). A listed peer stays out until the manifest decides.
 */
function refuseStranger({ replica }: ServiceContext, peer: AttestedPeer<PeerClaims>): void {
  const { claims } = peer;
  const isListed = claims?.kind === 'replica' && claims.rule === 'listed';
  // Judged before the manifest came into force; the channel is judged again at once.
  if (!isListed || (replica.cluster?.generation ?? 0) > 0) return;
  const message = 'before the first manifest all replicas must be of one kind and build';
  throw new PublicError('FAILED_PRECONDITION', 'NOT_SIMILAR', message);
}
