/** What every command has in common, apart from the program, so that groups can be files. */
import type { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';

/** Makes a command's context from its options, and runs it. */
export type RunCommand = (
  options: { readonly json?: boolean },
  body: (context: CommandContext) => Promise<void>,
) => Promise<void>;

/** Gives a command what all commands have: `--json`, exit codes and an example in its help. */
export function finish(command: Command, example: string): Command {
  return command
    .option('--json', 'print one JSON object')
    .addHelpText('after', `${EXIT_CODES_HELP}\n\nExample:\n  ${example}\n`);
}
