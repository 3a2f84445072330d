/** The command line as a function: arguments in, exit code out. */
import { CommanderError, createProgram, type ExtraCommands } from './program.ts';
import type { RunCommand } from './finish.ts';
import { addAudit } from './commands/audit-group.ts';
import { addApprovals } from './commands/approve-group.ts';
import { addCluster } from './commands/cluster-group.ts';
import { addEndorsements } from './commands/endorsements-group.ts';
import { addRotate } from './commands/rotate-group.ts';
import { addShare } from './commands/share-group.ts';
import { addEvidence } from './evidence/add-evidence.ts';
import type { ProviderOf } from './evidence/collect.ts';
import { machineProvider } from './evidence/providers.ts';
import { addRecover } from './recovery/add-recover.ts';
import { EXIT_OK, EXIT_USAGE, exitCodeOf } from './exit-codes.ts';
import { createPrinter } from './printer.ts';
import { systemClock } from '@witan/keys';
import type { Command } from 'commander';

/** How the command line is run. */
export interface RunOptions {
  /** Arguments behind the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Adds commands that only development has. */
  readonly extraCommands?: ExtraCommands;
  /** Where `evidence collect` has evidence from. Default: this machine. */
  readonly evidenceProvider?: ProviderOf;
  /** Stops what is under way. */
  readonly signal?: AbortSignal;
}

/** Runs one command; never rejects. @returns the exit code */
export async function run(options: RunOptions): Promise<number> {
  const { argv, env, stdout, stderr } = options;
  const signal = options.signal ?? new AbortController().signal;
  let code = EXIT_OK;
  const runCommand: RunCommand = async ({ json }, body) => {
    const printer = createPrinter(json === true, stdout, stderr);
    try {
      await body({ env, printer, signal });
    } catch (error) {
      printer.failure(error);
      code = exitCodeOf(error);
    }
  };
  const program = createProgram(runCommand);
  const provider = options.evidenceProvider ?? machineProvider;
  addEvidence(program, runCommand, { clock: systemClock, provider });
  addAudit(program, runCommand);
  addApprovals(program, runCommand);
  addCluster(program, runCommand);
  addRotate(program, runCommand);
  addShare(program, runCommand);
  addRecover(program, runCommand);
  addEndorsements(program, runCommand);
  options.extraCommands?.(program, runCommand);
  speakThrough(program, stdout, stderr);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  }
  return code;
}

/** Lets every command, nested ones included, print here and throw instead of ending the process. */
function speakThrough(
  command: Command,
  stdout: (text: string) => void,
  stderr: (text: string) => void,
): void {
  command.exitOverride();
  command.configureOutput({ writeOut: stdout, writeErr: stderr });
  for (const nested of command.commands) speakThrough(nested, stdout, stderr);
}
