/** `npm run quickstart [-- --json] [-- --keep] [-- --tee KIND] [-- --directory DIR]`. */
import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { TEE_CHOICES } from './reference-values.ts';
import { quickstart } from './quickstart/quickstart.ts';
import { witanRunner } from './quickstart/witan.ts';

const USAGE = `Usage: npm run quickstart -- [options]

Shows the whole life of a Witan deployment on this machine, with a simulated TEE.

  --json           print the summary as one JSON object on standard output
  --tee KIND       what it runs on: snp, tdx, or mixed (default snp)
  --keep           leave the cluster running and say how to use and stop it
  --directory DIR  where to put everything (default .witan/quickstart)
  --help           show this text

Exit codes: 0 every step happened, 1 one did not, 2 wrong options.

Example: npm run -s quickstart -- --json
`;

function readOptions() {
  return parseArgs({
    options: {
      json: { type: 'boolean' },
      keep: { type: 'boolean' },
      tee: { type: 'string' },
      directory: { type: 'string' },
      help: { type: 'boolean' },
    },
  }).values;
}

async function main(): Promise<number> {
  let values: ReturnType<typeof readOptions>;
  try {
    values = readOptions();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const tee = TEE_CHOICES.find((choice) => choice === (values.tee ?? 'snp'));
  if (tee === undefined) {
    process.stderr.write(`no such --tee; there are: ${TEE_CHOICES.join(', ')}\n${USAGE}`);
    return 2;
  }
  const json = values.json === true;
  // With --json, standard output is for the summary alone.
  const write = (text: string): void => {
    (json ? process.stderr : process.stdout).write(text);
  };
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop.abort(new Error(`stopped by ${signal}`));
      process.exitCode = 1;
      // The simulated TEE ends with this process and takes its guests with it.
      process.exit(1);
    });
  }
  write('Witan quickstart. SIMULATED TEE: this shows how Witan works and protects nothing.\n');
  const summary = await quickstart({
    directory: resolve(values.directory ?? '.witan/quickstart'),
    keep: values.keep === true,
    tee,
    write,
    witan: witanRunner(write),
    signal: stop.signal,
  });
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else write(describeSummary(summary));
  return summary.ok ? 0 : 1;
}

function describeSummary(summary: Awaited<ReturnType<typeof quickstart>>): string {
  const lines = summary.steps.map(({ name, outcome, durationMs }) => {
    const seconds = (durationMs / 1000).toFixed(2).padStart(6);
    return `  ${outcome === 'done' ? 'ok  ' : 'FAIL'} ${name.padEnd(12)} ${seconds} s`;
  });
  const total = (summary.durationMs / 1000).toFixed(1);
  const verdict = summary.ok ? 'Everything happened' : 'Something did not happen';
  const kept =
    summary.endpoints === undefined
      ? ''
      : `
The cluster is left running. Use it:
  npx witan status --endpoint ${summary.endpoints.join(',')}
  npx witan dev status --directory ${summary.directory}/cluster
Stop it:
  npx witan dev down --directory ${summary.directory}/cluster
`;
  return `\nSummary (simulated TEE)\n${lines.join('\n')}\n${verdict}, in ${total} s.\n${kept}`;
}

process.exitCode = await main();
