/**
 * The engine's DurableLog on the real journal, without the seal that a Coordinator puts around each
 * record (etcd seals nothing either). Every append is synced before it is confirmed.
 */
import { utf8 } from '@witan/core';
import { openJournal, type Journal } from '@witan/journal';
import type { DurableLog } from '@witan/replica';

/** How many syncs, and of how much. */
export interface SyncCounts {
  syncs: number;
  records: number;
  bytes: number;
  totalMs: number;
}

/** Opens a journal in an empty directory. */
export async function openJournalLog(
  directory: string,
  counts: SyncCounts,
): Promise<DurableLog & { close(): Promise<void> }> {
  const opened: { journal: Journal } = await openJournal({
    directory,
    onSync: ({ records, bytes, durationMs }) => {
      counts.syncs += 1;
      counts.records += records;
      counts.bytes += bytes;
      counts.totalMs += durationMs;
    },
  });
  const { journal } = opened;
  await journal.startSegment(utf8('witan/bench'));
  return {
    append: (records) => journal.append(records),
    saveSnapshot: (label, data, tail) => journal.saveSnapshot({ ...label, data, tail }),
    close: () => journal.close(),
  };
}
