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
