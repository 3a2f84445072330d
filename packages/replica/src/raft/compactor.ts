/** Decides when the log is shortened: after so many entries or so many bytes. */
import type { Snapshot } from 'raft-ts';
import type { Applier } from './applier.ts';
import type { EngineStorage } from './engine-storage.ts';
import type { EngineTuning } from './tuning.ts';

/** What a compactor works on. */
export interface CompactorOptions {
  readonly tuning: Pick<EngineTuning, 'snapshotEntries' | 'snapshotBytes' | 'keepEntries'>;
  readonly applier: Applier;
  readonly storage: EngineStorage;
  /** Takes the place of the journal's records so far. */
  readonly onSnapshot: (snapshot: Snapshot) => void;
}

/** See the head of this file. */
export class Compactor {
  readonly #options: CompactorOptions;
  /** As of the last snapshot. */
  #index: number;
  #bytes = 0;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#index = options.applier.appliedIndex;
  }

  /** The state up to here came as a snapshot. */
  restored(index: number): void {
    this.#index = index;
  }

  /** Makes a snapshot if one is due. */
  look(): void {
    const { tuning, applier, storage, onSnapshot } = this.#options;
    const { appliedIndex, appliedBytes } = applier;
    const isDue = appliedIndex - this.#index >= tuning.snapshotEntries;
    if (!isDue && appliedBytes - this.#bytes < tuning.snapshotBytes) return;
    this.#index = appliedIndex;
    this.#bytes = appliedBytes;
    const keepFrom = appliedIndex - tuning.keepEntries;
    if (keepFrom > storage.firstIndex()) storage.compact(keepFrom);
    onSnapshot(storage.snapshot());
  }
}
