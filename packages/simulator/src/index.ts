/** Simulation of whole clusters, and the linearizability checker. Development only. */
export { SimulatorError, type SimulatorErrorCode } from './errors.ts';
export { checkLinearizable, type CheckOptions, type Verdict } from './linearizability/checker.ts';
export {
  kvModel,
  registerModel,
  type KvInput,
  type Model,
  type Operation,
  type RegisterInput,
} from './linearizability/history.ts';
export { HISTORY_BYTES_MAX, parseHistory, type Recorded } from './linearizability/recorded.ts';
export type { DiskFate, Fault, Trouble } from './faults.ts';
export { minimise } from './minimise.ts';
export { runSeed, type RunOptions, type RunResult } from './run.ts';
