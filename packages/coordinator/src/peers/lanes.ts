/** What goes over the line to one peer: a stream for each lane, which names its cluster once. */
import type { ClusterLife, Lane } from '@witan/replica';
import type { PeerConnection } from './attested-peers.ts';
import type { Outbox } from './outbox.ts';
import type { memberToWire } from './wire.ts';

/** An established line. */
export interface Line {
  readonly connection: PeerConnection;
  readonly incarnation: string;
  readonly lanes: Partial<Record<Lane, Outbox>>;
  /** The cluster, in one of its epochs, that the streams speak for. */
  life: ClusterLife | undefined;
}

/** A copy, which does not hold the cluster in memory. */
export function lifeOf({ clusterId, epoch, opening }: ClusterLife): ClusterLife {
  return { clusterId, epoch, opening };
}

/** Who sends, and for which cluster. */
export interface Origin {
  readonly clusterId: Uint8Array;
  readonly epoch: bigint;
  readonly opening: Uint8Array;
  readonly self: ReturnType<typeof memberToWire>;
}

/** The batches of a stream; the first one says where it comes from. */
export async function* requestsOf(
  first: Origin,
  outbox: Outbox,
): AsyncGenerator<{ messages: Uint8Array[] } & Partial<Origin>> {
  let isFirst = true;
  for await (const messages of outbox) {
    yield isFirst ? { ...first, messages: [...messages] } : { messages: [...messages] };
    isFirst = false;
  }
}

/** Ends the streams of a line. */
export function closeLanes(line: Line): void {
  for (const lane of ['urgent', 'bulk'] as const) {
    line.lanes[lane]?.close();
    delete line.lanes[lane];
  }
}
