/** Development clusters, the quickstart, and what tests and benchmarks do with them. */
export { attachCluster, DevCluster, downCluster, upCluster, type UpOptions } from './cluster.ts';
export { EXAMPLE, startDeployment, type Deployment } from './deployment.ts';
export { describeReport, type DrillReport } from './drills/report.ts';
export { runDrill } from './drills/run.ts';
export { DevClusterError, type DevClusterErrorCode } from './errors.ts';
export {
  allServe,
  clientOf,
  coordinatorValues,
  interruptionMs,
  Load,
  LOAD_PROGRAM,
  readReferenceValues,
  runInitializer,
  startLoad,
  statusesOf,
  waitForStatuses,
  type Acknowledged,
} from './harness.ts';
export { layoutOf, readClusterFile, type Layout, type SlotState } from './layout.ts';
export { freePorts, isRunning, sleepMs } from './processes.ts';
export { TEE_CHOICES, type Tee, type TeeChoice } from './reference-values.ts';
export { NEXT_VERSION, prepareNextVersion, type NextVersion } from './next-version.ts';
export { resizeCluster } from './resize.ts';
export { Relay } from './relay.ts';
