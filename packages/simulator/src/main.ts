/**
 * `npm run sim -- --seeds N --from S [--events N] [--json] [--without-i2] [--trace]`.
 * Plays seeds one after another; a failing one is minimised and printed with the command that plays
 * it again.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { describeError } from '@witan/core';
import { SimulatorError } from './errors.ts';
import { minimise } from './minimise.ts';
import { runSeed, type RunOptions, type RunResult } from './run.ts';

const MINIMISE_RUNS_MAX = 60;
const PROGRESS_MS = 5_000;

interface Arguments {
  readonly seeds: number;
  readonly from: number;
  readonly events: number;
  readonly json: boolean;
  readonly trace: boolean;
  readonly i2: boolean;
  readonly keep: ReadonlySet<number> | undefined;
}

function argumentsOf(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '100' },
      from: { type: 'string', default: '1' },
      events: { type: 'string', default: '10000' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      'without-i2': { type: 'boolean', default: false },
      faults: { type: 'string' },
    },
  });
  const { faults } = values;
  const numbers = faults === undefined || faults === '' ? [] : faults.split(',');
  return {
    seeds: whole('--seeds', values.seeds),
    from: whole('--from', values.from),
    events: whole('--events', values.events),
    json: values.json,
    trace: values.trace,
    i2: !values['without-i2'],
    keep: faults === undefined ? undefined : new Set(numbers.map((n) => whole('--faults', n))),
  };
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  const fields = { name, found: text };
  throw new SimulatorError('SIMULATOR_ARGUMENT_INVALID', 'not a whole number', { fields });
}

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const given = argumentsOf(args);
  let passed = 0;
  let failed = 0;
  let events = 0;
  const startMs = performance.now();
  let progressMs = startMs;
  for (let seed = given.from; seed < given.from + given.seeds; seed += 1) {
    const options: RunOptions = {
      seed,
      events: given.events,
      i2: given.i2,
      ...(given.keep === undefined ? {} : { keep: given.keep }),
      ...(given.trace
        ? {
            onEvent: (line: string) => {
              console.log(line);
            },
          }
        : {}),
    };
    const result = await runSeed(options);
    events += result.events;
    if (result.failure === undefined) passed += 1;
    else {
      failed += 1;
      await report(given, options, result);
    }
    if (given.json) console.log(JSON.stringify({ ...result, faults: result.faults.length }));
    const nowMs = performance.now();
    if (nowMs - progressMs > PROGRESS_MS) {
      progressMs = nowMs;
      const rate = ((passed + failed) / (nowMs - startMs)) * 1_000;
      console.error(`${passed + failed} of ${given.seeds}, ${failed} failed, ${rate.toFixed(1)}/s`);
    }
  }
  const seconds = (performance.now() - startMs) / 1_000;
  console.error(`${events} events in ${seconds.toFixed(1)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

async function report(given: Arguments, options: RunOptions, result: RunResult): Promise<void> {
  const { onEvent: _, ...quiet } = options;
  const runs = given.keep === undefined ? MINIMISE_RUNS_MAX : 0;
  const smallest = runs > 0 ? await minimise(quiet, result, runs) : result;
  const numbers = smallest.faults.map(({ number }) => number).join(',');
  const control = given.i2 ? '' : ' --without-i2';
  console.log(`seed ${result.seed} failed at commit ${commit()}: ${smallest.failure?.text ?? ''}`);
  for (const { atMs, number, trouble } of smallest.faults) {
    console.log(`  ${number} at ${atMs.toFixed(1)} ms: ${JSON.stringify(trouble)}`);
  }
  console.log(
    `  replay: node packages/simulator/src/main.ts --seeds 1 --from ${result.seed}` +
      ` --events ${given.events} --faults '${numbers}'${control} --trace`,
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

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(describeError(error));
    process.exitCode = 1;
  }
}
