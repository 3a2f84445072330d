/**
 * The replica's DurableLog port: seals every record and snapshot, then hands it to the journal
 * (I4).
 * The journal opens with the first record, so a cluster without a manifest leaves nothing on disk.
 * What is written is never read back by this process (I2).
 */
import {
  CanonicalWriter,
  fromHex,
  utf8,
  type ClusterId,
  type Epoch,
  type IncarnationId,
} from '@witan/core';
import { openJournal, type Journal } from '@witan/journal';
import { createSealer, type Seed } from '@witan/keys';
import type { DurableLog } from '@witan/replica';

const OWNER_LABEL = 'witan/journal-owner/v1';
const RECORD_AAD = utf8('witan/v1/journal-record');
const SNAPSHOT_AAD = utf8('witan/v1/journal-snapshot');

export interface SealedLogOptions {
  readonly directory: string;
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
  /** Called once, when the journal holds its first record. */
  readonly onOpen: () => void;
  readonly onSync: (sync: { readonly durationMs: number; readonly bytes: number }) => void;
}

export class SealedLog implements DurableLog {
  readonly #options: SealedLogOptions;
  readonly #sealer: ReturnType<typeof createSealer>;
  #journal: Promise<Journal> | undefined;
  #sequence = 0;
  #isOpen = false;

  constructor(options: SealedLogOptions) {
    this.#options = options;
    this.#sealer = createSealer({ ...options, use: 'journal-record' });
  }

  /** Whether a record or snapshot of this incarnation is on disk. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    const journal = await this.#open();
    await journal.append(records.map((record) => this.#seal(record)));
    this.#isOpen = true;
  }

  async saveSnapshot(
    label: { readonly index: number; readonly term: number },
    snapshot: Uint8Array,
    tail: readonly Uint8Array[],
  ): Promise<void> {
    const journal = await this.#open();
    await journal.saveSnapshot({
      index: label.index,
      term: label.term,
      data: this.#sealer.seal(snapshot, SNAPSHOT_AAD),
      tail: tail.map((record) => this.#seal(record)),
    });
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    const journal = await this.#journal;
    await journal?.close();
  }

  /** Each record is bound to its place, so that moved or dropped ones do not open in sequence. */
  #seal(record: Uint8Array): Uint8Array {
    this.#sequence += 1;
    const place = new CanonicalWriter().fixed(RECORD_AAD).u64(this.#sequence).finish();
    return this.#sealer.seal(record, place);
  }

  #open(): Promise<Journal> {
    this.#journal ??= this.#start();
    return this.#journal;
  }

  async #start(): Promise<Journal> {
    const { directory, clusterId, epoch, incarnation, onOpen, onSync } = this.#options;
    const { journal } = await openJournal({ directory, onSync });
    const owner = new CanonicalWriter()
      .text(OWNER_LABEL)
      .fixed(fromHex(clusterId))
      .u64(epoch)
      .fixed(fromHex(incarnation))
      .finish();
    await journal.startSegment(owner);
    onOpen();
    return journal;
  }
}
