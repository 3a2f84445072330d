/** Collects the output of one command: plain lines, log lines by level, indentation. */
import { CommandError } from './command-error.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'none'] as const;

export type LogLevel = (typeof LEVELS)[number];

export function parseLogLevel(text: string): LogLevel {
  const level = LEVELS.find((name) => name === text.toLowerCase());
  if (level === undefined)
    throw new CommandError(`log levels must be either of [${LEVELS.join(' ').toUpperCase()}]`);
  return level;
}

export class Output {
  level: LogLevel = 'debug';
  #lines: string[] = [];
  #indent = '';

  /** Adds text of one or more lines, unless the level silences everything. */
  print(text: string): void {
    if (this.level === 'none') return;
    this.#add(text);
  }

  /** Adds text even at level none. */
  printError(text: string): void {
    this.#add(text);
  }

  log(level: 'debug' | 'info', text: string): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.level)) return;
    this.#add(`${level.toUpperCase()} ${text}`);
  }

  indented(body: () => void): void {
    const before = this.#indent;
    this.#indent = `${before}  `;
    try {
      body();
    } finally {
      this.#indent = before;
    }
  }

  /** Everything since the last call; `ok` if there was nothing. */
  take(): string {
    const text = this.#lines.join('\n');
    this.#lines = [];
    return text === '' ? 'ok' : text;
  }

  #add(text: string): void {
    for (const line of text.split('\n')) this.#lines.push(this.#indent + line);
  }
}
