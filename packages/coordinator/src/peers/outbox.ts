/** What waits to be sent on one stream: bounded in bytes, pulled as fast as the peer takes it. */

/** Batches waiting for one peer, in bytes. Above it messages are dropped: Raft sends them again. */
const BYTES_MAX = 128 * 1024 * 1024;

export class Outbox implements AsyncIterable<readonly Uint8Array[]> {
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;
  #closed = false;

  /** @returns false when the messages were dropped */
  push(messages: readonly Uint8Array[]): boolean {
    let bytes = 0;
    for (const message of messages) bytes += message.byteLength;
    if (this.#closed || this.#bytes + bytes > BYTES_MAX) return false;
    this.#waiting.push(...messages);
    this.#bytes += bytes;
    this.#wake?.();
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Everything that waits becomes one batch, so that a slow peer gets fewer, larger ones. */
  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Uint8Array[]> {
    while (!this.#closed) {
      if (this.#waiting.length > 0) {
        yield* this.#takeBatches();
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  *#takeBatches(): Generator<readonly Uint8Array[]> {
    const all = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    let batch: Uint8Array[] = [];
    let bytes = 0;
    for (const message of all) {
      if (bytes > 0 && bytes + message.byteLength > BATCH_BYTES) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(message);
      bytes += message.byteLength;
    }
    if (batch.length > 0) yield batch;
  }
}

/** Messages are joined up to this size; a single larger one, a snapshot, goes alone. */
const BATCH_BYTES = 4 * 1024 * 1024;
