/**
 * The log: one JSON object a line, constant messages, everything that varies in named fields.
 * Writes synchronously, so that the line before a crash is not lost. Does not rotate or send
 * anything anywhere: that is the platform's business.
 */
import { pino, type Logger as PinoLogger } from 'pino';
import { TelemetryError } from './errors.ts';
import type { FieldName } from './names.ts';
import { printable } from './printable.ts';

const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Least level that is written; `silent` writes nothing. */
export type LogLevel = (typeof levels)[number];

/** Values beside a message. Anything may be given: what must not be printed is not. */
export type LogFields = Readonly<Partial<Record<FieldName, unknown>>>;

/** Writes log lines. Messages are constant text: what varies goes into the fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  with(fields: LogFields): Logger;
}

/** Takes finished lines, each with its newline. */
export interface LogDestination {
  write(line: string): void;
}

/** What a log is made from. */
export interface LoggerOptions {
  readonly level: LogLevel;
  /** Name of the program, in every line. */
  readonly name: string;
  /** Fields of every line, such as the slot. */
  readonly fields?: LogFields;
  /** Default: standard output. */
  readonly destination?: LogDestination;
}

/** @throws TelemetryError TELEMETRY_LEVEL_UNKNOWN unless `text` is a level */
export function parseLogLevel(text: string): LogLevel {
  const level = levels.find((known) => known === text);
  if (level === undefined) {
    throw new TelemetryError('TELEMETRY_LEVEL_UNKNOWN', 'log level is not known', {
      expected: levels.join(', '),
      found: text.slice(0, 40),
    });
  }
  return level;
}

/** Creates the log of a program; once, in its composition root. */
export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? pino.destination({ dest: 1, sync: true });
  const root = pino(
    {
      level: options.level,
      base: { name: options.name },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const logger = wrap(root);
  return options.fields === undefined ? logger : logger.with(options.fields);
}

function wrap(inner: PinoLogger): Logger {
  return {
    debug: (message, fields) => {
      inner.debug(printableFields(fields), message);
    },
    info: (message, fields) => {
      inner.info(printableFields(fields), message);
    },
    warn: (message, fields) => {
      inner.warn(printableFields(fields), message);
    },
    error: (message, fields) => {
      inner.error(printableFields(fields), message);
    },
    with: (fields) => wrap(inner.child(printableFields(fields))),
  };
}

/** Names of the logger itself; a field of that name would make a line that says two things. */
const reserved: ReadonlySet<string> = new Set(['level', 'time', 'name', 'msg']);

function printableFields(fields: LogFields = {}): Record<string, unknown> {
  const entries = Object.entries(fields).filter(([name]) => !reserved.has(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, printable(value)]));
}
