/**
 * Reads histories in the format of porcupine's key-value tests: one EDN map per line, an `:invoke`
 * and, unless the outcome is unknown, an `:ok` for each operation of a process.
 */
import { SimulatorError } from '../errors.ts';
import type { KvInput, Operation } from './history.ts';

/** Largest file that is read, in bytes. */
export const HISTORY_BYTES_MAX: number = 64 * 1024 * 1024;

const HEAD = String.raw`:process (\d+), :type :(invoke|ok), :f :(get|put|append)`;
const REST = String.raw`:key "([^"]*)", :value (?:nil|"([^"]*)")`;
const LINE = new RegExp(String.raw`^\{${HEAD}, ${REST}\}$`);

interface Open {
  readonly client: number;
  readonly input: KvInput;
  readonly calledAt: number;
  returned?: { readonly at: number; readonly output: string };
}

/** @throws SimulatorError SIMULATOR_HISTORY_MALFORMED with the line, counted from 1 */
export function parseKvHistory(text: string): readonly Operation<KvInput, string>[] {
  const history: Open[] = [];
  const open = new Map<number, Open>();
  text.split('\n').forEach((raw, at) => {
    const line = raw.trim();
    if (line === '') return;
    const match = LINE.exec(line);
    if (match === null) throw malformed(at + 1, 'not an operation of this format');
    const [, process = '', type, kind = '', key = '', value = ''] = match;
    const client = Number(process);
    const current = open.get(client);
    if (type === 'invoke') {
      if (current !== undefined) throw malformed(at + 1, 'the process has an open operation');
      const operation: Open = { client, input: inputOf(kind, key, value), calledAt: at };
      history.push(operation);
      open.set(client, operation);
      return;
    }
    if (current?.input.kind !== kind || current.input.key !== key) {
      throw malformed(at + 1, 'no such operation is open');
    }
    current.returned = { at, output: kind === 'get' ? value : '' };
    open.delete(client);
  });
  return history;
}

function inputOf(kind: string, key: string, value: string): KvInput {
  if (kind === 'put' || kind === 'append') return { kind, key, value };
  return { kind: 'get', key };
}

function malformed(line: number, check: string): SimulatorError {
  return new SimulatorError('SIMULATOR_HISTORY_MALFORMED', 'the history cannot be read', {
    fields: { line, check },
  });
}
