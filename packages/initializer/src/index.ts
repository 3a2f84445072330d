/** The initializer as a program. */
export { InitializerError, type InitializerErrorCode } from './errors.ts';
export { run, type RunOptions } from './run.ts';
