/**
 * Fakes of the ports with their compliance suites. Development only: nothing shipped imports it.
 */
export {
  engineCompliance,
  RecordingSubscriber,
  type EngineGroup,
  type EngineMember,
} from './engine-compliance.ts';
export { MemoryEngineGroup } from './memory-engine.ts';
export { RecordingDisk } from './recording-disk.ts';
export { seededRandom } from './seeded-random.ts';
export { VirtualScheduler } from './virtual-scheduler.ts';
