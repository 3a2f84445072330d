/**
 * Write-ahead log and snapshots of sealed bytes on disk.
 */
export { JournalError, type JournalErrorCode } from './errors.ts';
export type { JournalFile, JournalFs, JournalLock } from './fs.ts';
export { RECORD_BYTES_MAX } from './frames.ts';
export { nodeJournalFs } from './node-fs.ts';
export { dangerDiscardJournal, journalExists, openJournal } from './open.ts';
export type { Journal, JournalOptions, JournalSync, SnapshotToSave } from './options.ts';
export type { JournalFinding, Recovered, RecoveredRecord, RecoveredSnapshot } from './recover.ts';
export { OWNER_BYTES_MAX, SEGMENT_VERSION as JOURNAL_FORMAT_VERSION } from './segment.ts';
export { SNAPSHOT_BYTES_MAX, TAIL_RECORDS_MAX } from './snapshot.ts';
