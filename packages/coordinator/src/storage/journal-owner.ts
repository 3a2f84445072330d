/** What each segment says about its writer, in the clear. Proves nothing by itself. */
import {
  CanonicalReader,
  CanonicalWriter,
  clusterId,
  epoch,
  fromHex,
  incarnationId,
  toHex,
  type ClusterId,
  type Epoch,
  type IncarnationId,
} from '@witan/core';

const LABEL = 'witan/journal-owner/v1';

/** The writer of a journal. */
export interface JournalOwner {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
}

/** The canonical bytes of an owner. */
export function encodeOwner(owner: JournalOwner): Uint8Array {
  return new CanonicalWriter()
    .text(LABEL)
    .fixed(fromHex(owner.clusterId))
    .u64(owner.epoch)
    .fixed(fromHex(owner.incarnation))
    .finish();
}

/** @throws CanonicalError or IdError for anything that `encodeOwner` did not write */
export function decodeOwner(bytes: Uint8Array): JournalOwner | undefined {
  const reader = new CanonicalReader(bytes);
  if (reader.text(64) !== LABEL) return undefined;
  const owner = {
    clusterId: clusterId(toHex(reader.fixed(32))),
    epoch: epoch(reader.u64()),
    incarnation: incarnationId(toHex(reader.fixed(32))),
  };
  reader.end();
  return owner;
}
