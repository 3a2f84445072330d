/** The peer service: what other replicas ask, each by the identity that its channel proved. */
import { incarnationId, slotName, type IncarnationId } from '@witan/core';
import { PeerService, type DeliverSeedRequest } from '@witan/protocol';
import type { SeedReceipt } from '@witan/replica';
import { serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { encodeResult } from '../operations.ts';
import { confirmAnswerToWire, confirmRequestFromWire } from '../peers/confirm-wire.ts';
import { seedDeliveryFromWire } from '../peers/seed-wire.ts';
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
import { recoveryCalls } from './recovery-calls.ts';
import { refuseStranger } from './stranger.ts';

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

    deliverSeed: (request, { peer }) => {
      refuseStranger(context, peer);
      return Promise.resolve(takeSeed(replica.cluster, request, incarnationId(peer.spkiSha256)));
    },

    ...recoveryCalls(context),

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

function takeSeed(
  cluster: ServiceContext['replica']['cluster'],
  request: DeliverSeedRequest,
  from: IncarnationId,
): SeedReceipt {
  const taken = cluster?.seeds.delivered(seedDeliveryFromWire(request), from);
  return taken ?? { accepted: false, code: 'NO_CLUSTER' };
}
