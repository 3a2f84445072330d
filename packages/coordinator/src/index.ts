/** The Coordinator replica as a program. */
export { COORDINATOR_USAGE, parseConfig, type CoordinatorConfig } from './config.ts';
export { CoordinatorError, type CoordinatorErrorCode } from './errors.ts';
export { parseInitdata, type CoordinatorInitdata } from './initdata.ts';
export { run, type RunOptions } from './run.ts';
