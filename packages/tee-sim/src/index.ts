/** Simulated SEV-SNP and TDX hardware for development. It protects nothing (I11); see README.md. */
export * from './client.ts';
export { serve, type Daemon, type ServeOptions } from './daemon/serve.ts';
export { TeeSimError, type TeeSimErrorCode } from './errors.ts';
export { simulatedEvidenceProvider, simulatedTsmFileSystem } from './guest/provider.ts';
export type { SnpCollateralPlan, TdxCollateralPlan } from './hardware/collateral.ts';
export { configIdOf, tdMeasurements, type HardwarePlan } from './hardware/guest-hardware.ts';
export type { SnpOverrides } from './hardware/snp-overrides.ts';
export type { TdxOverrides } from './hardware/tdx-overrides.ts';
export { TSM_ROOT, TsmTree } from './hardware/tsm-tree.ts';
export type { TsmErrno, TsmFaults, TsmResult, TsmTreeOptions } from './hardware/tsm-tree.ts';
export type { ReportMaker, SignedReport } from './hardware/reports.ts';
export { loadOrCreateHierarchy, type Hierarchy } from './hierarchy/store.ts';
export { loadOrCreateTdxRoot, type TdxRoot } from './hierarchy/tdx-store.ts';
export {
  inProcessEvidenceProvider,
  inProcessTdxProvider,
  treeFileSystem,
  type InProcessGuest,
  type InProcessTdxGuest,
} from './in-process.ts';
export { PROGRAMS, REPOSITORY_ROOT, type ProgramSpec } from './programs.ts';
export { CONTROL_LIMITS } from './wire/control.ts';
export type { GuestExit, GuestSignal, GuestStatus } from './wire/control.ts';
export { INITDATA_VARIABLE, TSM_FD_VARIABLE } from './wire/guest-link.ts';
