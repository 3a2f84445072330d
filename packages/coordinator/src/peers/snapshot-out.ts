/**
 * Sends one snapshot to one peer, in chunks within a window, and goes on in a new stream where an
 * earlier one broke off. Holds no copy of the state.
 */
import { randomBytes } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SendSnapshotRequestSchema, SendSnapshotResponse } from '@witan/protocol';
import type { SnapshotOutcome, SnapshotParcel, SnapshotTransfer } from '@witan/replica';
import { RemoteError, type ResponseStream } from '@witan/transport';
import { CHUNK_BYTES, ChunkChecksums, WINDOW_BYTES } from './snapshot-chunks.ts';

type Request = MessageInitShape<typeof SendSnapshotRequestSchema>;

/** What a transfer needs from its surroundings. */
export interface SnapshotOutOptions {
  readonly parcel: SnapshotParcel;
  /** Cluster, epoch and sender for the header. */
  readonly origin: NonNullable<Request['header']>;
  /** Opens a stream to the peer, dialling if there is no line; rejects when there is no way. */
  readonly open: (
    requests: AsyncIterable<Request>,
  ) => Promise<ResponseStream<SendSnapshotResponse>>;
  readonly onBroken: (error: unknown, offset: number) => void;
}

/** The transfer is given up when it has not come further for so long. */
const NO_PROGRESS_MS = 15_000;
const RETRY_MS = 100;

/** Starts at once. */
export function sendSnapshot(options: SnapshotOutOptions): SnapshotTransfer {
  const transfer = new Transfer(options);
  return {
    finished: transfer.run(),
    cancel: () => {
      transfer.cancel();
    },
  };
}

class Transfer {
  readonly #options: SnapshotOutOptions;
  readonly #state: Uint8Array;
  readonly #checksums: ChunkChecksums;
  readonly #transferId: Uint8Array = randomBytes(16);
  /** What the receiver holds, by its last answer. */
  #acknowledged = 0;
  #progressMs = performance.now();
  #cancelled = false;
  #wake: () => void = () => undefined;
  #stream: ResponseStream<SendSnapshotResponse> | undefined;

  constructor(options: SnapshotOutOptions) {
    this.#options = options;
    this.#state = options.parcel.state;
    this.#checksums = new ChunkChecksums(this.#state);
  }

  async run(): Promise<SnapshotOutcome> {
    while (!this.#cancelled && performance.now() - this.#progressMs < NO_PROGRESS_MS) {
      try {
        if (await this.#attempt()) return 'arrived';
      } catch (error) {
        if (error instanceof RemoteError && error.status === 'UNIMPLEMENTED') return 'unsupported';
        this.#options.onBroken(error, this.#acknowledged);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return 'failed';
  }

  cancel(): void {
    this.#cancelled = true;
    this.#stream?.cancel();
    this.#wake();
  }

  /** @returns whether the receiver has everything */
  async #attempt(): Promise<boolean> {
    const attempt = { from: undefined as number | undefined, over: false };
    const stream = await this.#options.open(this.#requests(attempt));
    this.#stream = stream;
    try {
      for await (const { nextOffset } of stream) {
        const offset = Number(nextOffset);
        if (offset > this.#acknowledged) this.#progressMs = performance.now();
        this.#acknowledged = offset;
        attempt.from ??= offset;
        this.#wake();
        if (offset >= this.#state.byteLength) return true;
      }
      return false;
    } finally {
      attempt.over = true;
      this.#wake();
    }
  }

  async *#requests(attempt: {
    readonly from: number | undefined;
    readonly over: boolean;
  }): AsyncGenerator<Request> {
    const { origin, parcel } = this.#options;
    const sizeBytes = BigInt(this.#state.byteLength);
    const { message } = parcel;
    yield { header: { ...origin, transferId: this.#transferId, message, sizeBytes } };
    while (attempt.from === undefined && !attempt.over) await this.#news();
    let offset = attempt.from ?? 0;
    while (!attempt.over && !this.#cancelled && offset < this.#state.byteLength) {
      if (offset - this.#acknowledged >= WINDOW_BYTES) {
        await this.#news();
        continue;
      }
      const chunk = this.#state.subarray(offset, offset + CHUNK_BYTES);
      yield { offset: BigInt(offset), chunk, crc32: this.#checksums.behind(offset) };
      offset += chunk.byteLength;
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
