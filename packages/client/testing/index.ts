/** For tests of clients: attested servers over a cluster in memory, with faults to plant. */
export { TestLog, type ApprovedChange } from './audit.ts';
export { TestCluster } from './cluster.ts';
export { COORDINATOR, makeHardware, type Hardware, type Launch } from './hardware.ts';
export { Loss } from './loss.ts';
export type { Faults, TestReplica } from './replica.ts';
export { Scene, WORKLOAD, makeOwner, type Owner } from './scene.ts';
