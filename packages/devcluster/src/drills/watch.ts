/** Reads what replicas logged about an attack, from the moment on that it began. */
import { readFile, stat } from 'node:fs/promises';
import type { Detection } from './report.ts';

/** Messages that tell of an attack or of what was done against it, without their codes. */
const TELLING: ReadonlySet<string> = new Set([
  'admitted as a learner',
  'call failed',
  'channel refused',
  'connection dropped',
  'founding not handed over',
  'join answered',
  'messages of a replaced incarnation refused',
  'newcomer swapped in',
  'not admitted',
  'not admitted yet',
  'raft message with a foreign sender or receiver',
  'replaced by a later incarnation of this slot',
  'sealing keys renewed',
  'waiting',
]);
const QUOTED_CHARS_MAX = 200;
/** What differs from one line to the next of the same kind. */
const PREFIX = 'witan-coordinator: ';

/** Looks at log files from where they ended when it was made. */
export class LogWatch {
  readonly #files = new Map<string, number>();
  readonly #others: Detection[] = [];

  /** Counts a file in from its end of now; one that does not exist yet from its beginning. */
  async add(path: string): Promise<void> {
    if (this.#files.has(path)) return;
    this.#files.set(
      path,
      await stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  }

  /** Something that a tool said. */
  said(event: string, quoted: string): void {
    this.#others.push({ event, count: 1, quoted: cut(quoted) });
  }

  /** Everything telling, most frequent first. */
  async detected(): Promise<readonly Detection[]> {
    const found = new Map<string, Detection>();
    for (const line of await this.#lines()) {
      const event = eventOf(line);
      if (event === undefined) continue;
      const before = found.get(event);
      const count = (before?.count ?? 0) + 1;
      found.set(event, { event, count, quoted: before?.quoted ?? cut(line) });
    }
    return [...this.#others, ...[...found.values()].toSorted((a, b) => b.count - a.count)];
  }

  /** How many lines contain a text. */
  async count(text: string): Promise<number> {
    return (await this.#lines()).filter((line) => line.includes(text)).length;
  }

  async #lines(): Promise<readonly string[]> {
    const texts = await Promise.all(
      [...this.#files].map(async ([path, from]) => {
        const bytes = await readFile(path).catch(() => Buffer.alloc(0));
        return bytes.subarray(from).toString('utf8').split('\n');
      }),
    );
    return texts.flat().filter((line) => line !== '');
  }
}

function eventOf(line: string): string | undefined {
  if (line.startsWith(PREFIX)) return /^\w+/.exec(line.slice(PREFIX.length))?.[0];
  if (!line.startsWith('{')) return undefined;
  const fields = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const message = typeof fields['msg'] === 'string' ? fields['msg'] : '';
  if (!TELLING.has(message)) return undefined;
  const code = typeof fields['code'] === 'string' ? fields['code'] : '';
  const error = typeof fields['error'] === 'string' ? fields['error'] : '';
  const reason = code === '' ? (/^[A-Z][A-Z_]+/.exec(error)?.[0] ?? '') : code;
  return reason === '' ? message : `${message}: ${reason}`;
}

function cut(line: string): string {
  return line.length <= QUOTED_CHARS_MAX ? line : `${line.slice(0, QUOTED_CHARS_MAX)}…`;
}
