/** Log lines and counters of one Coordinator. */
import type { CoordinatorConfig } from './config.ts';
import type { EventLog } from './node.ts';
import type { Counters } from './services/context.ts';

export function createLog(config: CoordinatorConfig): EventLog {
  const write = (
    level: string,
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ): void => {
    const time = new Date().toISOString();
    process.stdout.write(
      `${JSON.stringify({ level, time, slot: config.slot, ...fields, msg: message })}\n`,
    );
  };
  return {
    info: (message, fields) => {
      write('info', message, fields);
    },
    warn: (message, fields) => {
      write('warn', message, fields);
    },
  };
}

export function createCounters(): Counters {
  const values = new Map<string, number>();
  return {
    count: (name, by = 1) => {
      values.set(name, (values.get(name) ?? 0) + by);
    },
    snapshot: () => Object.fromEntries(values),
  };
}
