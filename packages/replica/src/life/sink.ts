/** Raft's messages by node id, to the peers that the directory knows by it. */
import type { MessageSink } from '../ports.ts';
import type { PeerSending } from '../standing.ts';
import type { Directory } from './directory.ts';

/** A sink that sends to whomever a directory names. */
export function sinkTo(
  directory: Pick<Directory, 'find'>,
  { send, sendSnapshot }: PeerSending,
): MessageSink {
  const sink: MessageSink = {
    send: (nodeId, messages, lane) => {
      const peer = directory.find(nodeId);
      return peer !== undefined && send(peer, messages, lane);
    },
  };
  if (sendSnapshot === undefined) return sink;
  return {
    ...sink,
    sendSnapshot: (nodeId, parcel) => {
      const peer = directory.find(nodeId);
      if (peer !== undefined) return sendSnapshot(peer, parcel);
      return { finished: Promise.resolve('failed'), cancel: () => undefined };
    },
  };
}
