/** A durable log that remembers what it was given. */
import type { DurableLog } from '@witan/replica';

/** What a disk has taken, in order. Nothing ever reads it back into the replica that wrote it. */
export class RecordingDisk implements DurableLog {
  readonly records: Uint8Array[] = [];
  readonly snapshots: number[] = [];
  /** What a journal would give back now: the newest snapshot and the records behind it. */
  readonly kept: { snapshot: Uint8Array | undefined; records: Uint8Array[] } = {
    snapshot: undefined,
    records: [],
  };

  append(records: readonly Uint8Array[]): Promise<void> {
    this.records.push(...records);
    this.kept.records.push(...records);
    return Promise.resolve();
  }

  saveSnapshot(
    label: { readonly index: number },
    snapshot: Uint8Array,
    tail: readonly Uint8Array[],
  ): Promise<void> {
    this.snapshots.push(label.index);
    this.records.push(...tail);
    this.kept.snapshot = snapshot;
    this.kept.records = [...tail];
    return Promise.resolve();
  }
}
