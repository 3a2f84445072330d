/**
 * Receives snapshots in chunks. Keeps what has arrived of a transfer that broke off, so that it can
 * go on. Assumes that every sender is attested; one that is wrong or old costs bounded memory.
 */
import { crc32 } from 'node:zlib';
import { toHex } from '@witan/core';
import type { SendSnapshotRequest } from '@witan/protocol';
import type { ArrivedSnapshot } from '@witan/replica';
import { PublicError } from '@witan/transport';
import { CHUNK_BYTES, SNAPSHOT_BYTES_MAX } from './snapshot-chunks.ts';
import { lifeFromWire, memberFromWire, toNumber } from './wire.ts';

/** What an inbox needs from its surroundings. */
export interface SnapshotInboxOptions {
  /** Whether this replica would take a snapshot from there. */
  readonly expects: (origin: Omit<ArrivedSnapshot, 'message' | 'state'>) => boolean;
  readonly onArrived: (snapshot: ArrivedSnapshot) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Transfers kept at once, under way or broken off: the others of a cluster of three. */
const TRANSFERS_MAX = 2;
/** One that broke off is kept so long. */
const KEEP_MS = 30_000;

interface Incoming {
  readonly snapshot: ArrivedSnapshot;
  readonly transferId: string;
  /** CRC-32 of what has arrived. */
  crc: number;
  bytes: number;
  usedMs: number;
  /** The newest stream that carries it; an older one ends. */
  stream: object;
}

/** See the head of this file. */
export class SnapshotInbox {
  readonly #options: SnapshotInboxOptions;
  /** By the sender's incarnation. */
  readonly #incoming = new Map<string, Incoming>();

  constructor(options: SnapshotInboxOptions) {
    this.#options = options;
  }

  /**
   * One stream of one sender.
   *
   * @param caller the incarnation that the channel proved
   * @throws PublicError for what cannot be taken; CodedError of a malformed field
   */
  async *receive(
    requests: AsyncIterable<SendSnapshotRequest>,
    caller: string,
  ): AsyncGenerator<{ readonly nextOffset: bigint }> {
    const stream = {};
    let incoming: Incoming | undefined;
    try {
      for await (const request of requests) {
        if (incoming === undefined) incoming = this.#begin(request, caller, stream);
        else this.#take(incoming, request, stream);
        const isWhole = incoming.bytes === incoming.snapshot.state.byteLength;
        if (isWhole) {
          this.#incoming.delete(caller);
          this.#options.onArrived(incoming.snapshot);
        }
        yield { nextOffset: BigInt(incoming.bytes) };
        if (isWhole) return;
      }
    } finally {
      if (incoming !== undefined) setTimeout(() => this.#forgetOld(), KEEP_MS + 1).unref();
    }
  }

  /** Gives back the memory of transfers that broke off and did not go on. */
  #forgetOld(): void {
    const nowMs = this.#options.now();
    for (const [sender, { usedMs }] of this.#incoming) {
      if (nowMs - usedMs > KEEP_MS) this.#incoming.delete(sender);
    }
  }

  #begin(request: SendSnapshotRequest, caller: string, stream: object): Incoming {
    const { header } = request;
    const from = memberFromWire(header?.self);
    if (header === undefined || from.incarnation !== caller) {
      const message = 'the stream names another sender than its channel proved';
      throw new PublicError('PERMISSION_DENIED', 'IDENTITY_MISMATCH', message);
    }
    const origin = {
      from,
      ...lifeFromWire(header),
    };
    if (!this.#options.expects(origin)) throw unexpected('sender or cluster');
    const transferId = toHex(header.transferId.subarray(0, 16));
    const sizeBytes = toNumber(header.sizeBytes);
    const usedMs = this.#options.now();
    const known = this.#incoming.get(caller);
    if (known?.transferId === transferId && known.snapshot.state.byteLength === sizeBytes) {
      known.stream = stream;
      known.usedMs = usedMs;
      return known;
    }
    if (sizeBytes > SNAPSHOT_BYTES_MAX) throw tooLarge(sizeBytes);
    this.#makeRoom(caller);
    const state = new Uint8Array(sizeBytes);
    const snapshot = { ...origin, message: header.message, state };
    const incoming = { snapshot, transferId, crc: 0, bytes: 0, usedMs, stream };
    this.#incoming.set(caller, incoming);
    return incoming;
  }

  /** A sender has one transfer at a time; an old one makes way. */
  #makeRoom(caller: string): void {
    this.#incoming.delete(caller);
    this.#forgetOld();
    if (this.#incoming.size < TRANSFERS_MAX) return;
    const message = 'too many snapshots are on their way';
    throw new PublicError('RESOURCE_EXHAUSTED', 'TOO_MANY_SNAPSHOTS', message);
  }

  #take(incoming: Incoming, request: SendSnapshotRequest, stream: object): void {
    const { chunk } = request;
    const { state } = incoming.snapshot;
    const isCurrent = incoming.stream === stream && toNumber(request.offset) === incoming.bytes;
    if (!isCurrent) throw unexpected('offset');
    const end = incoming.bytes + chunk.byteLength;
    // Every chunk but the last is whole, so that a transfer can go on at any of them.
    const isWhole = chunk.byteLength === CHUNK_BYTES || end === state.byteLength;
    if (!isWhole || chunk.byteLength > CHUNK_BYTES || end > state.byteLength) {
      throw unexpected('chunk length');
    }
    const crc = crc32(chunk, incoming.crc);
    if (crc !== request.crc32) throw unexpected('checksum');
    state.set(chunk, incoming.bytes);
    incoming.crc = crc;
    incoming.bytes = end;
    incoming.usedMs = this.#options.now();
  }
}

function unexpected(part: string): PublicError {
  const message = 'a part of a snapshot does not fit the transfer';
  return new PublicError('ABORTED', 'SNAPSHOT_UNEXPECTED', message, { part });
}

function tooLarge(found: number): PublicError {
  const fields = { expected: SNAPSHOT_BYTES_MAX, found };
  const message = 'a snapshot is larger than any that is taken';
  return new PublicError('RESOURCE_EXHAUSTED', 'SNAPSHOT_TOO_LARGE', message, fields);
}
