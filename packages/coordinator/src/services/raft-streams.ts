/**
 * The streams that carry Raft from replica to replica: messages in lanes, snapshots beside them.
 * Each speaks for the identity that its channel proved (I1).
 */
import { clusterId, epoch, toHex, type ClusterId, type Epoch } from '@witan/core';
import type { PeerService } from '@witan/protocol';
import type { ArrivedSnapshot, PeerIdentity } from '@witan/replica';
import { PublicError, type Handlers } from '@witan/transport';
import { SnapshotInbox } from '../peers/snapshot-in.ts';
import { memberFromWire, toNumber } from '../peers/wire.ts';

/** What a member of a cluster does with what arrives. */
export interface RaftMember {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
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
  const find = (cluster: ClusterId, at: Epoch): RaftMember | undefined => {
    const own = member();
    return own?.clusterId === cluster && own.epoch === at ? own : undefined;
  };
  const inbox = new SnapshotInbox({
    now: () => performance.now(),
    expects: (origin) =>
      find(origin.clusterId, origin.epoch)?.expectsSnapshot(origin.from) ?? false,
    onArrived: (snapshot) => {
      onSnapshotBytes(snapshot.state.byteLength);
      find(snapshot.clusterId, snapshot.epoch)?.receiveSnapshot(snapshot);
    },
  });
  return {
    exchange: async function* (requests, { peer }) {
      let sender: readonly [PeerIdentity, ClusterId, Epoch] | undefined;
      for await (const request of requests) {
        if (sender === undefined) {
          const from = memberFromWire(request.self);
          // The channel says who speaks; the message may only say the same.
          if (from.incarnation !== peer.spkiSha256) throw notYourself();
          const cluster = clusterId(toHex(request.clusterId));
          sender = [from, cluster, epoch(toNumber(request.epoch))];
        }
        const found = find(sender[1], sender[2]);
        if (found === undefined) member()?.refuseForeign(...sender);
        else found.receive(sender[0], request.messages);
      }
      yield* [];
    },

    sendSnapshot: (requests, { peer }) => inbox.receive(requests, peer.spkiSha256),
  };
}

function notYourself(): PublicError {
  const message = 'the stream names another sender than its channel proved';
  return new PublicError('PERMISSION_DENIED', 'IDENTITY_MISMATCH', message);
}
