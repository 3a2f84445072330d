/**
 * Fakes for tests of the journal and of what is built on it. Nothing shipped imports this.
 */
export {
  CrashFs,
  SimulatedCrash,
  type CrashFsOptions,
  type DiskImage,
  type Fault,
} from './crash-fs.ts';
export { FIXTURE_OWNER, FIXTURE_RECORDS, FIXTURE_SNAPSHOT, makeFixture } from './fixture.ts';
