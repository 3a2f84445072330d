/** The part of EDN that recorded operations use: maps, vectors, strings, numbers, keywords, nil. */
import { SimulatorError } from '../errors.ts';

/** A value; keywords keep their colon, so that they differ from strings. */
export type Edn = string | number | boolean | null | Keyword | readonly Edn[] | EdnMap;

/** A keyword, with its colon. */
export interface Keyword {
  readonly keyword: string;
}

/** A map by the names of its keywords. */
export interface EdnMap {
  readonly entries: ReadonlyMap<string, Edn>;
}

const DEPTH_MAX = 8;
const TOKEN = /[\s,]*([[\]{}()]|"(?:[^"\\]|\\.)*"|[^\s,[\]{}()"]+)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/** Whether a value is a keyword of that name. */
export function isKeyword(value: Edn | undefined, keyword: string): boolean {
  return keywordOf(value) === keyword;
}

/** The name of a keyword, with its colon. */
export function keywordOf(value: Edn | undefined): string | undefined {
  return typeof value === 'object' && value !== null && 'keyword' in value
    ? value.keyword
    : undefined;
}

/** The entries of a map. */
export function entriesOf(value: Edn | undefined): ReadonlyMap<string, Edn> | undefined {
  return typeof value === 'object' && value !== null && 'entries' in value && !Array.isArray(value)
    ? (value as EdnMap).entries
    : undefined;
}

/**
 * Reads all values of one line.
 *
 * @throws SimulatorError SIMULATOR_HISTORY_MALFORMED
 */
export function readEdn(text: string): readonly Edn[] {
  const tokens = tokensOf(text);
  const values: Edn[] = [];
  let at = 0;
  const next = (depth: number): Edn => {
    const token = tokens[at] ?? '';
    at += 1;
    if (depth > DEPTH_MAX) throw malformed('nested too deeply');
    if (token === '[' || token === '(') return sequence(token === '[' ? ']' : ')', depth);
    if (token === '{') return mapOf(sequence('}', depth));
    return atom(token);
  };
  const sequence = (end: string, depth: number): readonly Edn[] => {
    const items: Edn[] = [];
    while (tokens[at] !== end) {
      if (at >= tokens.length) throw malformed(`no ${end}`);
      items.push(next(depth + 1));
    }
    at += 1;
    return items;
  };
  while (at < tokens.length) values.push(next(0));
  return values;
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  let end = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    tokens.push(match[1] ?? '');
    end = TOKEN.lastIndex;
  }
  if (text.slice(end).trim() !== '') throw malformed('not EDN');
  return tokens;
}

function mapOf(items: readonly Edn[]): EdnMap {
  if (items.length % 2 !== 0) throw malformed('a key without a value');
  const entries = new Map<string, Edn>();
  for (let index = 0; index < items.length; index += 2) {
    const key = keywordOf(items[index]);
    if (key === undefined) throw malformed('a key that is no keyword');
    entries.set(key, items[index + 1] ?? null);
  }
  return { entries };
}

function atom(token: string): Edn {
  if (token.startsWith('"')) {
    return token.slice(1, -1).replaceAll(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
  }
  if (token.startsWith(':')) return { keyword: token };
  if (token === 'nil') return null;
  if (token === 'true' || token === 'false') return token === 'true';
  if (/^[+-]?\d+N?$/.test(token)) return Number(token.replace('N', ''));
  throw malformed('not EDN');
}

function malformed(check: string): SimulatorError {
  return new SimulatorError('SIMULATOR_HISTORY_MALFORMED', 'the history cannot be read', {
    fields: { check },
  });
}
