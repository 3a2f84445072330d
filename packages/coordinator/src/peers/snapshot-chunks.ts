/**
 * Snapshots in chunks, as both ends see them. Every chunk carries the CRC-32 of the state so far:
 * together with its offset that says that nothing is missing, doubled or mixed up with another
 * transfer. Who sends is proved by the channel, and who wrote the state by its seal (I1, I4).
 */
import { crc32 } from 'node:zlib';

/** Bytes of a chunk, except for the last one. */
export const CHUNK_BYTES: number = 64 * 1024;

/**
 * Bytes that may be under way unacknowledged. Whatever else goes over the same connection, a
 * heartbeat above all, waits behind no more than that.
 */
export const WINDOW_BYTES: number = 4 * CHUNK_BYTES;

/** Largest state of a snapshot in bytes. */
export const SNAPSHOT_BYTES_MAX: number = 512 * 1024 * 1024;

/** Running checksums of a state by chunk, each computed once. */
export class ChunkChecksums {
  readonly #state: Uint8Array;
  /** At position n the CRC-32 of the first n chunks. */
  readonly #known: number[] = [0];

  constructor(state: Uint8Array) {
    this.#state = state;
  }

  /** CRC-32 of the state up to the end of the chunk that begins at `offset`. */
  behind(offset: number): number {
    const wanted = offset / CHUNK_BYTES + 1;
    for (let chunk = this.#known.length; chunk <= wanted; chunk += 1) {
      const at = (chunk - 1) * CHUNK_BYTES;
      const bytes = this.#state.subarray(at, at + CHUNK_BYTES);
      this.#known.push(crc32(bytes, this.#known[chunk - 1] ?? 0));
    }
    return this.#known[wanted] ?? 0;
  }
}
