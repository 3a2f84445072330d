/** The command line of the daemon. `main.ts` only turns the result into an exit code. */
import { parseArgs } from 'node:util';
import { describeError } from '@witan/core';
import { productOfName, type SnpProduct } from '@witan/attestation';
import { serve, type Daemon } from './daemon/serve.ts';
import { TeeSimError } from './errors.ts';

const USAGE =
  'usage: main.ts serve --directory DIR [--product Milan|Genoa|Turin] [--allow-overrides] ' +
  '[--exit-with-parent] [--grace-ms N]';
const PARENT_POLL_MS = 250;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

export interface RunOptions {
  /** Arguments behind the script's name. */
  readonly argv: readonly string[];
  readonly stdout: (line: string) => void;
  readonly stderr: (line: string) => void;
}

/** @returns the exit code, once the daemon has stopped */
export async function run(options: RunOptions): Promise<number> {
  const { stdout, stderr } = options;
  try {
    const settings = readArguments(options.argv);
    const daemon = await serve({ ...settings, log: stderr });
    const unwatch = stopOnSignals(daemon, settings.exitWithParent);
    // One line of JSON, so that whoever started the daemon can wait for it and read it.
    stdout(
      JSON.stringify({
        event: 'ready',
        simulated: true,
        socket: daemon.socketPath,
        product: daemon.host.primary.hierarchy.product,
        rootFingerprint: daemon.host.primary.hierarchy.rootFingerprint,
        tdxRootFingerprint: daemon.host.tdx.rootFingerprint,
      }),
    );
    await daemon.stopped;
    unwatch();
    return 0;
  } catch (error) {
    stderr(`tee-sim: ${describeError(error)}`);
    return error instanceof TeeSimError && error.code === 'TEESIM_USAGE'
      ? EXIT_USAGE
      : EXIT_FAILURE;
  }
}

interface Settings {
  readonly directory: string;
  readonly product?: SnpProduct;
  readonly allowOverrides: boolean;
  readonly exitWithParent: boolean;
  readonly graceMs?: number;
}

function readArguments(argv: readonly string[]): Settings {
  const { values, positionals } = parse(argv);
  if (positionals.length !== 1 || positionals[0] !== 'serve') throw usage('no such command');
  const { directory, product: productText, 'grace-ms': graceText } = values;
  if (directory === undefined || directory === '') throw usage('--directory is missing');
  const product = productText === undefined ? undefined : productOfName(productText);
  if (productText !== undefined && product === undefined) throw usage('unknown --product');
  if (graceText !== undefined && !/^[0-9]{1,6}$/.test(graceText)) throw usage('bad --grace-ms');
  return {
    directory,
    ...(product === undefined ? {} : { product }),
    ...(graceText === undefined ? {} : { graceMs: Number(graceText) }),
    allowOverrides: values['allow-overrides'] ?? false,
    exitWithParent: values['exit-with-parent'] ?? false,
  };
}

function parse(argv: readonly string[]): ReturnType<typeof parseStrictly> {
  try {
    return parseStrictly(argv);
  } catch (error) {
    throw usage(error instanceof Error ? error.message : 'bad arguments');
  }
}

function parseStrictly(argv: readonly string[]): {
  readonly values: {
    readonly directory?: string | undefined;
    readonly product?: string | undefined;
    readonly 'allow-overrides'?: boolean | undefined;
    readonly 'exit-with-parent'?: boolean | undefined;
    readonly 'grace-ms'?: string | undefined;
  };
  readonly positionals: readonly string[];
} {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      directory: { type: 'string' },
      product: { type: 'string' },
      'allow-overrides': { type: 'boolean' },
      'exit-with-parent': { type: 'boolean' },
      'grace-ms': { type: 'string' },
    },
  });
}

function usage(reason: string): TeeSimError {
  return new TeeSimError('TEESIM_USAGE', USAGE, { fields: { reason } });
}

/** @returns how to stop watching */
function stopOnSignals(daemon: Daemon, exitWithParent: boolean): () => void {
  const stop = (): void => void daemon.stop();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const parent = process.ppid;
  // An orphan gets another parent; there is no portable event for it.
  const timer = exitWithParent
    ? setInterval(() => {
        if (process.ppid !== parent) stop();
      }, PARENT_POLL_MS)
    : undefined;
  return () => {
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
    clearInterval(timer);
  };
}
