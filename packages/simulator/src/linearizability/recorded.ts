/**
 * Reads recorded histories: porcupine's key-value tests (one EDN map in a line, `:get`, `:put`,
 * `:append`) and Jepsen's registers (`:read`, `:write`, `:cas`), as lines of a log
 * (`jepsen.util - 3 :invoke :cas [1 2]`) or as EDN maps. Which of them it is shows in the file.
 *
 * `:ok` took effect, `:info` may have at any time, `:fail` has not. Two exceptions that these
 * formats make: a `:cas` that fails with its own value found another one, and what failed as
 * `:timed-out` may yet take effect. Operations that never return may do so, too.
 */
import { SimulatorError } from '../errors.ts';
import { entriesOf, isKeyword, keywordOf, readEdn, type Edn } from './edn.ts';
import {
  kvModel,
  registerModel,
  type KvInput,
  type Model,
  type Operation,
  type RegisterInput,
} from './history.ts';

/** Largest file that is read, in bytes. */
export const HISTORY_BYTES_MAX: number = 64 * 1024 * 1024;

/** A history with the object that it must look like. */
export type Recorded =
  | {
      readonly format: 'kv';
      readonly model: Model<KvInput, string>;
      readonly history: readonly Operation<KvInput, string>[];
    }
  | {
      readonly format: 'register';
      readonly model: Model<RegisterInput, string>;
      readonly history: readonly Operation<RegisterInput, string>[];
    };

interface Event {
  readonly line: number;
  readonly process: number;
  readonly type: string;
  readonly f: string;
  readonly key: string;
  readonly value: Edn;
  readonly isTimeout: boolean;
  /** From a line of a log, not from a map. */
  readonly isOfLog: boolean;
}

interface Open {
  readonly client: number;
  readonly input: KvInput | RegisterInput;
  readonly calledAt: number;
  returned?: { readonly at: number; readonly output: string };
  /** It is certain that it never took effect. */
  failed: boolean;
}

const LOG_LINE = /jepsen\.util\s+-\s+(\d+)\s+(:(?:invoke|ok|fail|info)\s.*)$/;
const TYPES = new Set([':invoke', ':ok', ':fail', ':info']);
const KV = new Set([':get', ':put', ':append']);
const REGISTER = new Set([':read', ':write', ':cas']);

/** @throws SimulatorError SIMULATOR_HISTORY_MALFORMED with the line, counted from 1 */
export function parseHistory(text: string): Recorded {
  const events = text.includes('jepsen.util') ? eventsOfLog(text) : eventsOfMaps(text);
  const first = events[0];
  if (first === undefined) throw malformed(1, 'no operation in it');
  const family = KV.has(first.f) ? KV : REGISTER;
  const stranger = events.find(({ f }) => !family.has(f));
  if (stranger !== undefined) throw malformed(stranger.line, 'not an operation of this format');
  const history = historyOf(events);
  return family === KV
    ? { format: 'kv', model: kvModel, history: history as readonly Operation<KvInput, string>[] }
    : {
        format: 'register',
        model: registerModel,
        history: history as readonly Operation<RegisterInput, string>[],
      };
}

/** A log has lines of others, too; only operations of numbered processes count. */
function eventsOfLog(text: string): readonly Event[] {
  return text.split('\n').flatMap((raw, at) => {
    const match = LOG_LINE.exec(raw.trimEnd());
    if (match === null) return [];
    const [type, f, value = null, reason] = valuesOf(match[2] ?? '', at + 1);
    const name = keywordOf(f) ?? '';
    const isTimeout = isKeyword(value, ':timed-out') || isKeyword(reason, ':timed-out');
    const process = Number(match[1]);
    const event = { line: at + 1, process, type: keywordOf(type) ?? '', f: name, key: '' };
    return [{ ...event, value, isTimeout, isOfLog: true }];
  });
}

function eventsOfMaps(text: string): readonly Event[] {
  return text.split('\n').flatMap((raw, at) => {
    const line = raw.trim();
    if (line === '') return [];
    const [map, rest] = valuesOf(line, at + 1);
    const entries = entriesOf(map);
    if (entries === undefined || rest !== undefined) {
      throw malformed(at + 1, 'not an operation of this format');
    }
    const process = entries.get(':process');
    // The nemesis is no client.
    if (typeof process !== 'number') return [];
    const type = keywordOf(entries.get(':type')) ?? '';
    const value = entries.get(':value') ?? null;
    const isTimeout = [value, entries.get(':error')].some((one) => isKeyword(one, ':timed-out'));
    if (!TYPES.has(type)) throw malformed(at + 1, 'not an operation of this format');
    const f = keywordOf(entries.get(':f')) ?? '';
    const key = textOf(entries.get(':key') ?? '');
    return [{ line: at + 1, process, type, f, key, value, isTimeout, isOfLog: false }];
  });
}

function valuesOf(text: string, line: number): readonly Edn[] {
  try {
    return readEdn(text);
  } catch (error) {
    if (!(error instanceof SimulatorError)) throw error;
    throw malformed(line, String(error.fields['check']));
  }
}

function historyOf(events: readonly Event[]): readonly Open[] {
  const history: Open[] = [];
  const open = new Map<number, { readonly operation: Open; readonly f: string }>();
  for (const event of events) {
    const { process, line, type, f } = event;
    const current = open.get(process);
    if (type === ':invoke') {
      // In a log whatever a process left behind before it went on stays open.
      if (current !== undefined && !event.isOfLog) {
        throw malformed(line, 'the process has an open operation');
      }
      const input = inputOf(event);
      const operation: Open = { client: process, input, calledAt: line, failed: false };
      history.push(operation);
      open.set(process, { operation, f });
      continue;
    }
    if (current?.f !== f || current.operation.input.key !== event.key) {
      throw malformed(line, 'no such operation is open');
    }
    end(current.operation, event);
    // A process whose operation is in doubt may go on; the operation stays open.
    open.delete(process);
  }
  return history.filter(({ failed }) => !failed);
}

function end(operation: Open, { line, type, value, isTimeout }: Event): void {
  const { kind } = operation.input;
  if (type === ':info' || (type === ':fail' && isTimeout)) return;
  if (type === ':ok') operation.returned = { at: line, output: outputOf(kind, value) };
  else if (kind === 'cas' && Array.isArray(value)) {
    operation.returned = { at: line, output: 'fail' };
  } else operation.failed = true;
}

function outputOf(kind: string, value: Edn): string {
  if (kind === 'get' || kind === 'read') return textOf(value, kind === 'get' ? '' : 'nil');
  return kind === 'cas' ? 'ok' : '';
}

function inputOf({ f, key, value, line }: Event): KvInput | RegisterInput {
  switch (f) {
    case ':get':
      return { kind: 'get', key };
    case ':put':
    case ':append':
      return { kind: f === ':put' ? 'put' : 'append', key, value: textOf(value) };
    case ':read':
      return { kind: 'read', key };
    case ':write':
      return { kind: 'write', key, value: textOf(value, 'nil') };
    case ':cas': {
      const [from, to] = Array.isArray(value) ? (value as readonly Edn[]) : [];
      if (from === undefined || to === undefined) throw malformed(line, 'cas without two values');
      return { kind: 'cas', key, from: textOf(from, 'nil'), to: textOf(to, 'nil') };
    }
    default:
      throw malformed(line, 'not an operation of this format');
  }
}

/** Values are compared as text; nil is what a register that was never written holds. */
function textOf(value: Edn, nil: string = ''): string {
  if (value === null) return nil;
  if (typeof value === 'object') return keywordOf(value) ?? JSON.stringify(value);
  return String(value);
}

function malformed(line: number, check: string): SimulatorError {
  return new SimulatorError('SIMULATOR_HISTORY_MALFORMED', 'the history cannot be read', {
    fields: { line, check },
  });
}
