/**
 * The reopening of a cluster on its way to an incarnation that it lists: a header with the seed,
 * and then the state in chunks. Sent once more from the beginning when it breaks off; HTTP/2 sees
 * to it that nothing is lost or moved within a stream.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { fromHex, slotName } from '@witan/core';
import type {
  DeliverReopeningRequest,
  DeliverReopeningRequestSchema,
  ReopeningHeader,
} from '@witan/protocol';
import type { Genesis, Reopening } from '@witan/replica';
import { PublicError } from '@witan/transport';
import { bounded, SLOTS_MAX } from './recovery-wire.ts';
import { CHUNK_BYTES, SNAPSHOT_BYTES_MAX } from './snapshot-chunks.ts';
import { lifeFromWire, memberFromWire, memberToWire, seedFromWire, toNumber } from './wire.ts';

type Request = MessageInitShape<typeof DeliverReopeningRequestSchema>;

/** Reopenings that may arrive at once: every other replica of a cluster of three may pass it on. */
const INCOMING_MAX = 2;

/** The messages of one reopening. Secret: for the channel of a listed incarnation only (I1). */
export async function* reopeningMessages(
  genesis: Genesis,
  reopening: Reopening,
): AsyncGenerator<Request> {
  const { state } = reopening;
  yield {
    header: {
      clusterId: fromHex(genesis.clusterId),
      // A copy: whoever takes the message apart wipes what it was given.
      seed: Uint8Array.from(genesis.seed.expose()),
      members: genesis.members.map(memberToWire),
      slots: [...genesis.slots],
      epoch: BigInt(reopening.epoch),
      opening: fromHex(reopening.opening),
      sizeBytes: BigInt(state.byteLength),
    },
  };
  for (let at = 0; at < state.byteLength; at += CHUNK_BYTES) {
    yield { chunk: state.subarray(at, at + CHUNK_BYTES) };
  }
  await Promise.resolve();
}

/** Takes in reopenings, few at once. Assumes that every sender is attested. */
export class ReopeningInbox {
  #incoming = 0;

  /**
   * One stream of one sender, to its end.
   *
   * @throws PublicError for what cannot be taken; CodedError of a malformed field
   */
  async receive(requests: AsyncIterable<DeliverReopeningRequest>): Promise<Genesis> {
    if (this.#incoming >= INCOMING_MAX) {
      const message = 'too many reopenings are on their way';
      throw new PublicError('RESOURCE_EXHAUSTED', 'TOO_MANY_REOPENINGS', message);
    }
    this.#incoming += 1;
    try {
      return await receiveOne(requests);
    } finally {
      this.#incoming -= 1;
    }
  }
}

async function receiveOne(requests: AsyncIterable<DeliverReopeningRequest>): Promise<Genesis> {
  let genesis: (Genesis & { readonly reopening: Reopening }) | undefined;
  let filledBytes = 0;
  for await (const { header, chunk } of requests) {
    if (genesis === undefined) {
      if (header === undefined || chunk.byteLength > 0) throw unexpected('header');
      genesis = genesisOf(header);
      continue;
    }
    const { state } = genesis.reopening;
    const isLarge = chunk.byteLength > CHUNK_BYTES;
    const isBeyond = filledBytes + chunk.byteLength > state.byteLength;
    // An empty chunk would make a stream that never ends.
    if (header !== undefined || chunk.byteLength === 0 || isLarge || isBeyond) {
      throw unexpected('chunk');
    }
    state.set(chunk, filledBytes);
    filledBytes += chunk.byteLength;
  }
  if (genesis === undefined) throw unexpected('header');
  if (filledBytes !== genesis.reopening.state.byteLength) throw unexpected('length');
  return genesis;
}

function genesisOf(header: ReopeningHeader): Genesis & { readonly reopening: Reopening } {
  const sizeBytes = toNumber(header.sizeBytes);
  if (sizeBytes === 0) throw unexpected('length');
  if (sizeBytes > SNAPSHOT_BYTES_MAX) {
    const fields = { expected: SNAPSHOT_BYTES_MAX, found: sizeBytes };
    const message = 'a reopening is larger than any that is taken';
    throw new PublicError('RESOURCE_EXHAUSTED', 'REOPENING_TOO_LARGE', message, fields);
  }
  const { clusterId, epoch, opening } = lifeFromWire(header);
  return {
    clusterId,
    seed: seedFromWire(header.seed),
    members: bounded('members', header.members, SLOTS_MAX).map(memberFromWire),
    slots: bounded('slots', header.slots, SLOTS_MAX).map(slotName),
    reopening: { epoch, opening, state: new Uint8Array(sizeBytes) },
  };
}

function unexpected(part: string): PublicError {
  const message = 'a part of a reopening does not fit what was announced';
  return new PublicError('ABORTED', 'REOPENING_UNEXPECTED', message, { part });
}
