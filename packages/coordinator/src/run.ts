/**
 * The Coordinator as a program: settings in, exit code out. `main` and the simulated guests call
 * it; they differ in where evidence comes from and in what roots may be accepted (I11).
 */
import type { EvidenceProvider } from '@witan/attester';
import { CodedError, describeError } from '@witan/core';
import { COORDINATOR_USAGE, parseConfig, type CoordinatorConfig } from './config.ts';
import { excludeMemoryFromCoreDumps } from './core-dumps.ts';
import { CoordinatorError } from './errors.ts';
import { Metrics } from '@witan/telemetry';
import type { CoordinatorTee } from './evidence/self.ts';
import { createLog } from './log.ts';
import { startNode, type CoordinatorNode } from './node.ts';

/** How the program is started. */
export interface RunOptions {
  /** Arguments behind the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly evidenceProvider: EvidenceProvider<CoordinatorTee>;
  /** `production` accepts no development root, whatever initdata or manifest say (I11). */
  readonly profile: 'production' | 'development';
  readonly stdout?: (text: string) => void;
  readonly stderr?: (text: string) => void;
}

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_REPLACED = 4;

/** How long an orderly stop may take, in milliseconds, before the process ends anyway. */
const STOP_MS = 5_000;

/** Runs until a signal, a fatal error or a replacement; never rejects. */
export async function run(options: RunOptions): Promise<number> {
  const stdout = options.stdout ?? ((text) => process.stdout.write(text));
  const stderr = options.stderr ?? ((text) => process.stderr.write(text));
  let config: CoordinatorConfig | undefined;
  try {
    config = parseConfig(options.argv, options.env);
  } catch (error) {
    return failed(error, stderr);
  }
  if (config === undefined) {
    stdout(COORDINATOR_USAGE);
    return EXIT_OK;
  }
  return serve(options, config, stderr);
}

async function serve(
  options: RunOptions,
  config: CoordinatorConfig,
  stderr: (text: string) => void,
): Promise<number> {
  const log = createLog(config);
  if (excludeMemoryFromCoreDumps() === 'unsupported') {
    log.warn('core files may hold memory; set their size limit to 0', {});
  }
  const ends = Promise.withResolvers<number>();
  const onSignal = (): void => {
    ends.resolve(EXIT_OK);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  let node: CoordinatorNode;
  try {
    node = await startNode({
      config,
      evidenceProvider: options.evidenceProvider,
      profile: options.profile,
      log,
      counters: new Metrics(),
      onEnd: (end) => {
        if (end.kind === 'fatal') stderr(`witan-coordinator: ${describeError(end.error)}\n`);
        ends.resolve(end.kind === 'removed' ? EXIT_REPLACED : EXIT_FAILED);
      },
    });
  } catch (error) {
    return failed(error, stderr);
  }
  const code = await ends.promise;
  log.info('stopping', { code });
  // A process that was replaced, or cannot go on, holds nobody up.
  if (code === EXIT_OK) await node.waitUntilSafe(config.stopWaitMs);
  const deadline = setTimeout(() => process.exit(code), STOP_MS);
  try {
    await node.stop();
  } catch (error) {
    log.warn('stop not orderly', { error: describeError(error) });
  }
  clearTimeout(deadline);
  process.off('SIGTERM', onSignal);
  process.off('SIGINT', onSignal);
  return code;
}

/** One line that names the next step. What is not a typed error is a bug and shows its stack. */
function failed(error: unknown, stderr: (text: string) => void): number {
  if (!(error instanceof CodedError)) {
    stderr(`witan-coordinator: ${error instanceof Error ? String(error.stack) : String(error)}\n`);
    return EXIT_FAILED;
  }
  stderr(`witan-coordinator: ${describeError(error)}\n`);
  const isUsage =
    error instanceof CoordinatorError && error.code.startsWith('COORDINATOR_INITDATA');
  if (error.code === 'COORDINATOR_USAGE' || isUsage) return EXIT_USAGE;
  return EXIT_FAILED;
}
