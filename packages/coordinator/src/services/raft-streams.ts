/**
 * The streams that carry Raft from replica to replica: messages in lanes, snapshots beside them.
 * Each speaks for the identity that its channel proved (I1).
 */
import type { ClusterId, Epoch } from '@witan/core';
import type { PeerService } from '@witan/protocol';
import {
  isSameLife,
  type ArrivedSnapshot,
  type ClusterLife,
  type PeerIdentity,
} from '@witan/replica';
import { PublicError, type Handlers } from '@witan/transport';
import { SnapshotInbox } from '../peers/snapshot-in.ts';
import { lifeFromWire, memberFromWire } from '../peers/wire.ts';

/** What a member of a cluster does with what arrives. */
export interface RaftMember extends ClusterLife {
  receive(from: PeerIdentity, messages: readonly Uint8Array[]): void;
  /** Takes note of somebody who speaks for another cluster or epoch. */
  refuseForeign(from: PeerIdentity, clusterId: ClusterId, epoch: Epoch): void;
  /** Whether a snapshot from there would be looked at. */
  expectsSnapshot(from: PeerIdentity): boolean;
  receiveSnapshot(snapshot: ArrivedSnapshot): void;
}

/**
 * The handlers of the two streams.
 *
 * @param member this replica's part in its cluster, if it has one; looked at for each message
 * @param onSnapshotBytes learns of the size of each snapshot that arrived
 */
export function raftStreams<Claims>(
  member: () => RaftMember | undefined,
  onSnapshotBytes: (bytes: number) => void = () => undefined,
): Pick<Handlers<typeof PeerService, Claims>, 'exchange' | 'sendSnapshot'> {
  const find = (life: ClusterLife): RaftMember | undefined => {
    const own = member();
    return own !== undefined && isSameLife(own, life) ? own : undefined;
  };
  const inbox = new SnapshotInbox({
    now: () => performance.now(),
    expects: (origin) => find(origin)?.expectsSnapshot(origin.from) ?? false,
    onArrived: (snapshot) => {
      onSnapshotBytes(snapshot.state.byteLength);
      find(snapshot)?.receiveSnapshot(snapshot);
    },
  });
  return {
    exchange: async function* (requests, { peer }) {
      let sender: readonly [PeerIdentity, ClusterLife] | undefined;
      for await (const request of requests) {
        if (sender === undefined) {
          const from = memberFromWire(request.self);
          // The channel says who speaks; the message may only say the same.
          if (from.incarnation !== peer.spkiSha256) throw notYourself();
          sender = [from, lifeFromWire(request)];
        }
        const [from, life] = sender;
        const found = find(life);
        if (found === undefined) member()?.refuseForeign(from, life.clusterId, life.epoch);
        else found.receive(from, request.messages);
      }
      yield* [];
    },

    sendSnapshot: (requests, { peer }) => inbox.receive(requests, peer.spkiSha256),
  };
}

/** A peer that calls itself something else than its channel proved. */
export function notYourself(): PublicError {
  const message = 'the call names another sender than its channel proved';
  return new PublicError('PERMISSION_DENIED', 'IDENTITY_MISMATCH', message);
}
