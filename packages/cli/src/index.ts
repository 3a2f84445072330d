/** The witan command line, as a library for those who add commands to it. */
export type { CommandContext } from './context.ts';
export { CliError, type CliErrorCode } from './errors.ts';
export { describeStatuses } from './commands/status.ts';
export { table, type Json, type Printer } from './printer.ts';
export { finish, type RunCommand } from './finish.ts';
export type { ExtraCommands } from './program.ts';
export { run, type RunOptions } from './run.ts';
