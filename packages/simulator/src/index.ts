/** Simulation of whole clusters, and the linearizability checker. Development only. */
export { SimulatorError, type SimulatorErrorCode } from './errors.ts';
export { checkLinearizable, type CheckOptions, type Verdict } from './linearizability/checker.ts';
export { kvModel, type KvInput, type Model, type Operation } from './linearizability/history.ts';
export { parseKvHistory } from './linearizability/porcupine.ts';
