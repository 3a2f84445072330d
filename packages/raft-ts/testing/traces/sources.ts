/** Where traces come from: interaction scripts, random clusters, files. */
import { readFileSync } from 'node:fs';
import { Cluster } from '../../test/support/cluster.ts';
import type { TraceEvent } from '../../src/index.ts';
import { runScript } from '../commands.ts';
import { parseScript } from '../script.ts';
import { TraceViolation, require } from './servers.ts';

const SETTLE_ROUNDS_MAX = 3000;

/** What a script may do that no model of Raft can follow, as text that is in it. */
const OUTSIDE_THE_MODEL: Readonly<Record<string, string>> = {
  '\ninject-msg': 'it injects messages that no node sent',
  '\nsend-snapshot': 'it sends a snapshot around the core',
  'commit-hints=true': 'commits are learned from refused votes',
};

/** Why a script's trace cannot be replayed, if it cannot. */
export function reasonNotToReplay(path: string): string | undefined {
  const text = readFileSync(path, 'utf8');
  const found = Object.entries(OUTSIDE_THE_MODEL).find(([mark]) => text.includes(mark));
  const isAsync = text.includes('async-storage-writes=true');
  if (isAsync && text.includes('\nrestart')) return 'it restarts between Ready and the write';
  return found?.[1];
}

/** The events of all nodes of a script, in order. */
export function traceOfScript(path: string): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  const onTrace = (event: TraceEvent): void => void events.push(event);
  runScript(parseScript(readFileSync(path, 'utf8')), { onTrace });
  return events;
}

/**
 * The events of a random cluster, in order. In synchronous mode only: the model takes a Ready for
 * durable as a whole.
 * @param steps how many random events before the cluster is healed
 */
export function traceOfCluster(seed: number, steps: number): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  const cluster = new Cluster({
    seed,
    asyncStorageWrites: false,
    preVote: seed % 3 === 0,
    checkQuorum: seed % 2 === 0,
    onTrace: (event) => events.push(event),
  });
  for (let i = 0; i < steps; i += 1) cluster.event();
  cluster.settle(SETTLE_ROUNDS_MAX);
  return events;
}

/**
 * Reads a trace file: one JSON document per line; lines with another tag are skipped.
 * @throws TraceViolation if a line is no trace event
 */
export function parseTrace(text: string): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const event = parseLine(line, at + 1);
    if (event !== undefined) events.push(event);
  }
  return events;
}

function parseLine(line: string, number: number): TraceEvent | undefined {
  let parsed: { readonly tag?: unknown; readonly event?: Partial<TraceEvent> };
  try {
    parsed = JSON.parse(line) as typeof parsed;
  } catch {
    throw new TraceViolation('Format', `line ${number} is no JSON`);
  }
  if (parsed.tag !== 'trace') return undefined;
  const { event } = parsed;
  const { name, nid, state, role, log, conf } = event ?? {};
  const complete =
    typeof name === 'string' &&
    typeof nid === 'string' &&
    typeof role === 'string' &&
    Number.isSafeInteger(log) &&
    Number.isSafeInteger(state?.term) &&
    Number.isSafeInteger(state?.commit) &&
    typeof state?.vote === 'string' &&
    Array.isArray(conf) &&
    conf.length === 2 &&
    conf.every((half) => Array.isArray(half));
  require(complete, 'Format', `line ${number} is no trace event`);
  return event as TraceEvent;
}
