/** The member records that travel with a configuration change. */
import { CanonicalReader, CanonicalWriter, incarnationId, slotName } from '@witan/core';
import type { PeerIdentity } from '../standing.ts';

const VERSION = 1;
const ADDRESS_BYTES_MAX = 300;
const RECORDS_MAX = 16;

/** Records of the members that a change adds. */
export function encodeMembershipContext(added: readonly PeerIdentity[]): Uint8Array {
  return new CanonicalWriter()
    .u8(VERSION)
    .list(added, (writer, peer) =>
      writer.u64(peer.nodeId).text(peer.slot).text(peer.incarnation).text(peer.address),
    )
    .finish();
}

/**
 * @throws CanonicalError or IdError on anything that `encodeMembershipContext` did not write. No
 *   bytes at all mean no records: the change that leaves a joint configuration carries none.
 */
export function decodeMembershipContext(bytes: Uint8Array): readonly PeerIdentity[] {
  if (bytes.byteLength === 0) return [];
  const reader = new CanonicalReader(bytes);
  reader.u8();
  const added = reader.list(RECORDS_MAX, (item) => ({
    nodeId: item.u64(),
    slot: slotName(item.text(63)),
    incarnation: incarnationId(item.text(64)),
    address: item.text(ADDRESS_BYTES_MAX),
  }));
  reader.end();
  return added;
}
