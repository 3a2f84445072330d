/**
 * Decides when the log is shortened. The journal is, by a snapshot, after so many entries or bytes.
 * The copy in memory is much sooner, since a snapshot for a peer can be made at any time: it keeps
 * what a follower that lags a little needs, and at most about twice that.
 */
import type { AppendWorker } from './append-worker.ts';
import type { Applier } from './applier.ts';
import type { EngineStorage } from './engine-storage.ts';
import type { EngineTuning } from './tuning.ts';

/** What a compactor works on. */
export interface CompactorOptions {
  readonly tuning: Pick<
    EngineTuning,
    'snapshotEntries' | 'snapshotBytes' | 'keepEntries' | 'keepBytes'
  >;
  readonly applier: Pick<Applier, 'appliedIndex' | 'appliedBytes'>;
  readonly storage: EngineStorage;
  /** Until it is open, the log in memory is the only one and stays whole. */
  readonly journal: Pick<AppendWorker, 'journalOpen' | 'shorten'>;
}

interface Place {
  readonly index: number;
  readonly bytes: number;
}

/** See the head of this file. */
export class Compactor {
  readonly #options: CompactorOptions;
  /** As of the last snapshot. */
  #index: number;
  #bytes = 0;
  /** Where the log in memory is cut next, and the bytes that were applied up to there. */
  #nextCut: Place = { index: 0, bytes: 0 };

  #isDemanded = false;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#index = options.applier.appliedIndex;
  }

  /** The state up to here came as a snapshot. */
  restored(index: number): void {
    this.#index = index;
  }

  /** Shortens everything at the next look, whatever is due: older records open with other keys. */
  demand(): void {
    this.#isDemanded = true;
  }

  /** Shortens whatever is due. */
  look(): void {
    if (this.#isDemanded) this.#forgetAll();
    this.#forget();
    this.#makeSnapshot();
  }

  /** The log in memory is cut at places that lie `keepEntries` or `keepBytes` apart. */
  #forget(): void {
    const { tuning, applier, storage, journal } = this.#options;
    const { appliedIndex: index, appliedBytes: bytes } = applier;
    const isFar = index - this.#nextCut.index >= tuning.keepEntries;
    if (!isFar && bytes - this.#nextCut.bytes < tuning.keepBytes) return;
    const cut = this.#nextCut.index;
    this.#nextCut = { index, bytes };
    if (journal.journalOpen && cut >= storage.firstIndex()) storage.compact(cut);
  }

  /** Whoever lacks something of it is given a snapshot. */
  #forgetAll(): void {
    const { applier, storage, journal } = this.#options;
    const { appliedIndex: index, appliedBytes: bytes } = applier;
    this.#nextCut = { index, bytes };
    if (journal.journalOpen && index >= storage.firstIndex()) storage.compact(index);
  }

  #makeSnapshot(): void {
    const { tuning, applier, storage, journal } = this.#options;
    const { appliedIndex, appliedBytes } = applier;
    const isDue = this.#isDemanded || appliedIndex - this.#index >= tuning.snapshotEntries;
    this.#isDemanded = false;
    if (!isDue && appliedBytes - this.#bytes < tuning.snapshotBytes) return;
    this.#index = appliedIndex;
    this.#bytes = appliedBytes;
    journal.shorten(storage.snapshot());
  }
}
