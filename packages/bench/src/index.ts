/** The parts of the benchmark that its tests use. */
export { judge, type Measured, type Verdict } from './targets.ts';
