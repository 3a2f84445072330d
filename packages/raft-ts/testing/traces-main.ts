/** Makes traces in etcd's format and replays them against a model of Raft; see HELP. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { traceLine, type TraceEvent } from '../src/index.ts';
import { kindOfFile } from './kinds.ts';
import { PathError, listFiles } from './list-scripts.ts';
import { replay } from './traces/replay.ts';
import { TraceViolation } from './traces/servers.ts';
import { parseTrace, reasonNotToReplay, traceOfCluster, traceOfScript } from './traces/sources.ts';

const HELP = `Usage: npm run raft:traces -- [--out DIR] [--seeds N] [--first SEED] [--events N]
                            [--json] [FILE|DIR...]

Makes traces of raft-ts in the format of etcd's raft (one JSON document per line, all nodes in one
file) and replays each against an independent model of Raft with its invariants. Sources: random
clusters from seeds, interaction scripts (FILE|DIR), and trace files made before (*.ndjson).
Prints a line per trace and "N passed, N failed". This is not the TLA+ model checker.

  --out DIR     write the traces there, as NAME.ndjson
  --seeds N     random clusters (default 20; 0 where paths are given)
  --first SEED  the first of them (default 1)
  --events N    random events before each is healed (default 1500)
  --json        one JSON document instead of lines

A script that steps outside the model (injected messages, for example) is named and left.

Example: npm run raft:traces -- --out /tmp/traces --seeds 10 test/scenarios/raft`;

type Source = {
  readonly name: string;
  readonly read: () => readonly TraceEvent[];
  /** Why it is not replayed. */
  readonly left?: string | undefined;
};

type Verdict = {
  readonly name: string;
  readonly events: number;
  readonly violation?: string | undefined;
  readonly left?: string | undefined;
};

function sourcesOfPaths(paths: readonly string[]): readonly Source[] {
  return listFiles(paths).flatMap((path): readonly Source[] => {
    const name = basename(path).replace(/\.(txt|ndjson)$/, '');
    if (path.endsWith('.ndjson')) {
      return [{ name, read: () => parseTrace(readFileSync(path, 'utf8')) }];
    }
    if (kindOfFile(path) !== 'interaction') return [];
    return [{ name, read: () => traceOfScript(path), left: reasonNotToReplay(path) }];
  });
}

function sourcesOfSeeds(first: number, seeds: number, events: number): readonly Source[] {
  return Array.from({ length: seeds }, (_, position) => {
    const seed = first + position;
    return { name: `cluster-${seed}`, read: () => traceOfCluster(seed, events) };
  });
}

function judge(source: Source, out: string | undefined): Verdict {
  const { name } = source;
  try {
    const events = source.read();
    if (out !== undefined) {
      const lines = events.map((event) => `${traceLine(event)}\n`).join('');
      writeFileSync(join(out, `${name}.ndjson`), lines);
    }
    if (source.left !== undefined) return { name, events: events.length, left: source.left };
    const result = replay(events);
    const empty = events.length === 0 ? 'it has no event' : undefined;
    return { name, events: result.events, violation: result.violation?.message ?? empty };
  } catch (error) {
    if (!(error instanceof TraceViolation)) throw error;
    return { name, events: 0, violation: error.message };
  }
}

function describe({ name, events, violation, left }: Verdict): string {
  if (left !== undefined) return `LEFT ${name}: ${events} events not replayed: ${left}`;
  if (violation === undefined) return `PASS ${name}: ${events} events`;
  return `FAIL ${name}: event ${events}: ${violation}`;
}

function numberOf(text: string, name: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new PathError(`${name} is no whole number: ${text}`);
  return Number(text);
}

function run(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
      seeds: { type: 'string' },
      first: { type: 'string', default: '1' },
      events: { type: 'string', default: '1500' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const seeds = numberOf(values.seeds ?? (positionals.length > 0 ? '0' : '20'), '--seeds');
  const first = numberOf(values.first, '--first');
  const sources = [
    ...sourcesOfPaths(positionals),
    ...sourcesOfSeeds(first, seeds, numberOf(values.events, '--events')),
  ];
  if (sources.length === 0) throw new PathError('no script and no trace is there');
  if (values.out !== undefined) mkdirSync(values.out, { recursive: true });
  const traces = sources.map((source) => {
    const verdict = judge(source, values.out);
    if (!values.json) console.log(describe(verdict));
    return verdict;
  });
  const failed = traces.filter(({ violation }) => violation !== undefined).length;
  const left = traces.filter((verdict) => verdict.left !== undefined).length;
  const passed = traces.length - left - failed;
  if (values.json) console.log(JSON.stringify({ traces, passed, failed }, undefined, 2));
  else console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

function main(args: readonly string[]): number {
  try {
    return run(args);
  } catch (error) {
    const isMisuse = error instanceof PathError || error instanceof TypeError;
    if (!isMisuse) throw error;
    console.error(`error: ${error.message}\nTry --help.`);
    console.log('0 passed, 0 failed');
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
