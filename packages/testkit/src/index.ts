/**
 * Fakes of the ports with their compliance suites. Development only: nothing shipped imports it.
 */
export {
  engineCompliance,
  RecordingSubscriber,
  type EngineGroup,
  type EngineMember,
} from './engine-compliance.ts';
export { type JournalDemand, type JournalHooks, type JournalMedium } from './journal-cases.ts';
export { JOURNAL_DEMANDS, journalCompliance } from './journal-compliance.ts';
export { MemoryJournalMedium } from './memory-journal.ts';
export { MemoryEngineGroup } from './memory-engine.ts';
export { RecordingDisk } from './recording-disk.ts';
export { seededRandom } from './seeded-random.ts';
export { VirtualScheduler } from './virtual-scheduler.ts';
