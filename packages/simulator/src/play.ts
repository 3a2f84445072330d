/** Plays seeds one after another; a failing one is shrunk and reported with its replay. */
import { execFileSync } from 'node:child_process';
import { minimise } from './minimise.ts';
import { runSeed, type RunOptions, type RunResult } from './run.ts';

const MINIMISE_RUNS_MAX = 60;

/** How to play every seed of a range. */
export interface Settings {
  readonly events: number;
  readonly json: boolean;
  readonly trace: boolean;
  readonly i2: boolean;
  /** Numbers of the faults to keep; all without it. */
  readonly keep?: readonly number[] | undefined;
}

/** What came of a range. */
export interface Played {
  readonly passed: number;
  readonly failed: number;
  readonly events: number;
}

/** @param print gets what is worth reading, line by line */
export async function playRange(
  settings: Settings,
  from: number,
  seeds: number,
  print: (line: string) => void,
): Promise<Played> {
  const { events, i2, keep, trace } = settings;
  let failed = 0;
  let played = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const kept = keep === undefined ? {} : { keep: new Set(keep) };
    const quiet: RunOptions = { seed, events, i2, ...kept };
    const result = await runSeed({ ...quiet, ...(trace ? { onEvent: print } : {}) });
    played += result.events;
    if (result.failure !== undefined) {
      failed += 1;
      await report(settings, quiet, result, print);
    }
    if (settings.json) print(JSON.stringify({ ...result, faults: result.faults.length }));
  }
  return { passed: seeds - failed, failed, events: played };
}

async function report(
  { i2, keep, events }: Settings,
  options: RunOptions,
  result: RunResult,
  print: (line: string) => void,
): Promise<void> {
  const runs = keep === undefined ? MINIMISE_RUNS_MAX : 0;
  const smallest = runs > 0 ? await minimise(options, result, runs) : result;
  const numbers = smallest.faults.map(({ number }) => number).join(',');
  print(`seed ${result.seed} failed at commit ${commit()}: ${smallest.failure?.text ?? ''}`);
  for (const { atMs, number, trouble } of smallest.faults) {
    print(`  ${number} at ${atMs.toFixed(1)} ms: ${JSON.stringify(trouble)}`);
  }
  print(
    `  replay: npm run -s sim -- --seeds 1 --from ${result.seed} --events ${events}` +
      ` --faults '${numbers}'${i2 ? '' : ' --without-i2'} --trace`,
  );
}

function commit(): string {
  try {
    const cwd = import.meta.dirname;
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
