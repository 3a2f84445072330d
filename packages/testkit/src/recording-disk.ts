/** A durable log that remembers what it was given. */
import type { DurableLog } from '@witan/replica';

/** What a disk has taken, in order. Nothing ever reads it back into a replica. */
export class RecordingDisk implements DurableLog {
  readonly records: Uint8Array[] = [];
  readonly snapshots: number[] = [];

  append(records: readonly Uint8Array[]): Promise<void> {
    this.records.push(...records);
    return Promise.resolve();
  }

  saveSnapshot(label: { readonly index: number }): Promise<void> {
    this.snapshots.push(label.index);
    return Promise.resolve();
  }
}
