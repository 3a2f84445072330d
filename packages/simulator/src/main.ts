/**
 * `npm run sim -- --seeds N --from S [--events N] [--jobs N] [--json] [--without-i2] [--trace]`.
 * Plays seeds, in several processes if asked to; see play.ts.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError } from '@witan/core';
import { SimulatorError } from './errors.ts';
import { playRange, type Played, type Settings } from './play.ts';
import type { Done, Task } from './worker-main.ts';

const PROGRESS_MS = 5_000;
/** Seeds that a process gets at once; each is reported when all of them are played. */
const CHUNK_SEEDS = 25;

const USAGE = `Plays whole clusters from seeds, under faults, and checks what must always hold.

Usage: npm run sim -- [--seeds N] [--from S] [--events N] [--jobs N] [--json]
                      [--faults LIST] [--trace] [--without-i2]

  --seeds N      how many seeds (100)
  --from S       the first (1)
  --events N     events before the faults end (10000)
  --jobs N       processes that play at the same time (1)
  --faults LIST  only these faults of the schedule, by number
  --trace        print what happens
  --without-i2   the negative control: identities and disks survive restarts
  --json         a line of JSON for each seed

Example: npm run sim -- --seeds 1000 --from 1 --events 2000 --jobs 2
`;

interface Arguments extends Settings {
  readonly seeds: number;
  readonly from: number;
  readonly jobs: number;
  readonly help: boolean;
}

function argumentsOf(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '100' },
      from: { type: 'string', default: '1' },
      events: { type: 'string', default: '10000' },
      jobs: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      'without-i2': { type: 'boolean', default: false },
      faults: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { faults, json, trace, help } = values;
  const numbers = faults === undefined || faults === '' ? [] : faults.split(',');
  return {
    seeds: whole('--seeds', values.seeds),
    from: whole('--from', values.from),
    events: whole('--events', values.events),
    jobs: whole('--jobs', values.jobs),
    json,
    trace,
    help,
    i2: !values['without-i2'],
    keep: faults === undefined ? undefined : numbers.map((n) => whole('--faults', n)),
  };
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  const fields = { name, found: text };
  throw new SimulatorError('SIMULATOR_ARGUMENT_INVALID', 'not a whole number', { fields });
}

/** Adds up what is played, and says every few seconds how far it is. */
class Tally {
  readonly #seeds: number;
  readonly #startMs = performance.now();
  #progressMs = performance.now();
  passed = 0;
  failed = 0;
  events = 0;

  constructor(seeds: number) {
    this.#seeds = seeds;
  }

  add({ passed, failed, events }: Played): void {
    this.passed += passed;
    this.failed += failed;
    this.events += events;
    const nowMs = performance.now();
    if (nowMs - this.#progressMs < PROGRESS_MS) return;
    this.#progressMs = nowMs;
    const played = this.passed + this.failed;
    const rate = played / this.seconds();
    console.error(`${played} of ${this.#seeds}, ${this.failed} failed, ${rate.toFixed(1)}/s`);
  }

  seconds(): number {
    return (performance.now() - this.#startMs) / 1_000;
  }
}

type Print = (line: string) => void;

/** @returns the exit code */
export async function main(args: readonly string[], print: Print = console.log): Promise<number> {
  const given = argumentsOf(args);
  if (given.help) {
    print(USAGE);
    return 0;
  }
  const tally = new Tally(given.seeds);
  if (given.jobs > 1) await playInProcesses(given, tally, print);
  else await playHere(given, tally, print);
  console.error(`${tally.events} events in ${tally.seconds().toFixed(1)} s`);
  print(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed > 0 ? 1 : 0;
}

async function playHere(given: Arguments, tally: Tally, print: Print): Promise<void> {
  for (let seed = given.from; seed < given.from + given.seeds; seed += 1) {
    tally.add(await playRange(given, seed, 1, print));
  }
}

/** @throws SimulatorError SIMULATOR_WORKER_ENDED when one of the processes ends before its time */
async function playInProcesses(given: Arguments, tally: Tally, print: Print): Promise<void> {
  const end = given.from + given.seeds;
  const { events, json, trace, i2, keep } = given;
  const settings: Settings = { events, json, trace, i2, keep };
  let next = given.from;
  const work = async (): Promise<void> => {
    const worker = fork(join(import.meta.dirname, 'worker-main.ts'));
    try {
      while (next < end) {
        const seeds = Math.min(CHUNK_SEEDS, end - next);
        const task: Task = { settings, from: next, seeds };
        next += seeds;
        const { tally: played, lines } = await ask(worker, task);
        for (const line of lines) print(line);
        tally.add(played);
      }
    } finally {
      worker.kill();
    }
  };
  await Promise.all(Array.from({ length: given.jobs }, work));
}

function ask(worker: ChildProcess, task: Task): Promise<Done> {
  return new Promise((resolve, reject) => {
    const onEnd = (code: number | null): void => {
      const fields = { from: task.from, code: code ?? -1 };
      const message = 'a process that plays seeds has ended';
      reject(new SimulatorError('SIMULATOR_WORKER_ENDED', message, { fields }));
    };
    worker.once('exit', onEnd);
    worker.once('error', () => {
      onEnd(worker.exitCode);
    });
    worker.once('message', (done: Done) => {
      worker.off('exit', onEnd);
      resolve(done);
    });
    worker.send(task);
  });
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(describeError(error));
    process.exitCode = 1;
  }
}
