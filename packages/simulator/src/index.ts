/** Simulation of whole clusters, and the linearizability checker. Development only. */
export { SimulatorError, type SimulatorErrorCode } from './errors.ts';
export { checkLinearizable, type CheckOptions, type Verdict } from './linearizability/checker.ts';
export { kvModel, type KvInput, type Model, type Operation } from './linearizability/history.ts';
export { parseKvHistory } from './linearizability/porcupine.ts';
export type { DiskFate, Fault, Trouble } from './faults.ts';
export { minimise } from './minimise.ts';
export { runSeed, type RunOptions, type RunResult } from './run.ts';
