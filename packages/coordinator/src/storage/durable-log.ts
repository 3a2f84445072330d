/**
 * The replica's DurableLog port: seals every record and snapshot, then hands it to the journal
 * (I4). The journal opens with the first record, so a cluster without a manifest leaves nothing on
 * disk. What is written is never read back by this process (I2); former-log.ts reads it for a later
 * one.
 */
import type { ClusterId, Epoch, IncarnationId } from '@witan/core';
import { nodeJournalFs, openJournal, type Journal, type JournalFs } from '@witan/journal';
import { createSealer, type SealingGenerations } from '@witan/keys';
import { markOfDurableRecord, type DurableLog, type LogMark } from '@witan/replica';
import { encodeClaims, type DiskClaims } from './claims.ts';
import { encodeOwner } from './journal-owner.ts';
import { anySeedOf, sealGenerations } from './keyring.ts';
import { sealRecord, type SealedRecordKind } from './sealed-record.ts';

const NOTHING = new Uint8Array(0);

export interface SealedLogOptions {
  readonly directory: string;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
  /** Shared with the keyring: values are sealed in the newest one. */
  readonly generations: SealingGenerations;
  /** Called once, when the journal holds its first record. */
  readonly onOpen: () => void;
  readonly onSync: (sync: { readonly durationMs: number; readonly bytes: number }) => void;
  readonly fs?: JournalFs;
}

export class SealedLog implements DurableLog {
  readonly #options: SealedLogOptions;
  readonly #sealer: ReturnType<typeof createSealer>;
  #journal: Promise<Journal> | undefined;
  #sequence = 0;
  /** The newest generation that is written. */
  #generationsKept = 0;
  #isOpen = false;
  /** Repeated behind every snapshot, which replaces the record that held them. */
  #claims: Uint8Array = NOTHING;

  constructor(options: SealedLogOptions) {
    this.#options = options;
    const seed = anySeedOf(options.generations);
    this.#sealer = createSealer({ ...options, seed, use: 'journal-record' });
  }

  /** Whether a record or snapshot of this incarnation is on disk. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  async append(records: readonly Uint8Array[]): Promise<void> {
    const journal = await this.#open();
    await journal.append([
      ...this.#sealedKeys(),
      ...records.map((record) => this.#sealEntries(record)),
    ]);
    if (this.#isOpen) return;
    this.#isOpen = true;
    await journal.append(this.#sealedClaims());
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
      data: this.#seal('snapshot', undefined, this.#generationsToKeep(), snapshot),
      tail: [...tail.map((record) => this.#sealEntries(record)), ...this.#sealedClaims()],
    });
    this.#isOpen = true;
  }

  /**
   * Writes what the disk may claim in the clear, once the journal is open. Resolves when that is
   * durable; nothing waits for it.
   */
  async note(claims: DiskClaims): Promise<void> {
    this.#claims = encodeClaims(claims);
    if (!this.#isOpen) return;
    const journal = await this.#open();
    await journal.append([...this.#sealedKeys(), ...this.#sealedClaims()]);
  }

  async close(): Promise<void> {
    const journal = await this.#journal;
    await journal?.close();
  }

  #sealEntries(record: Uint8Array): Uint8Array {
    return this.#seal('entries', markOfDurableRecord(record), NOTHING, record);
  }

  /** The list of generations, where the disk does not hold the newest one yet. */
  #sealedKeys(): readonly Uint8Array[] {
    if (this.#options.generations.current === this.#generationsKept) return [];
    return [this.#seal('keys', undefined, this.#generationsToKeep(), NOTHING)];
  }

  #generationsToKeep(): Uint8Array {
    this.#generationsKept = this.#options.generations.current;
    return sealGenerations(this.#options);
  }

  #sealedClaims(): readonly Uint8Array[] {
    if (this.#claims.byteLength === 0) return [];
    return [this.#seal('claims', undefined, this.#claims, NOTHING)];
  }

  /** To be handed to the journal in the same turn, so that sequence and place agree. */
  #seal(
    kind: SealedRecordKind,
    mark: LogMark | undefined,
    publicPart: Uint8Array,
    secret: Uint8Array,
  ): Uint8Array {
    this.#sequence += 1;
    return sealRecord(this.#sealer, { kind, sequence: this.#sequence, mark, publicPart }, secret);
  }

  #open(): Promise<Journal> {
    this.#journal ??= this.#start();
    return this.#journal;
  }

  async #start(): Promise<Journal> {
    const { directory, onOpen, onSync, fs } = this.#options;
    const { journal } = await openJournal({ directory, onSync, fs: fs ?? nodeJournalFs });
    await journal.startSegment(encodeOwner(this.#options));
    onOpen();
    return journal;
  }
}
