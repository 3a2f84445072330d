/** Log lines of one Coordinator: constant messages, values as fields (docs/telemetry.md). */
import { createLogger, parseLogLevel } from '@witan/telemetry';
import type { CoordinatorConfig } from './config.ts';

/** @throws TelemetryError TELEMETRY_LEVEL_UNKNOWN */
export function createLog(config: CoordinatorConfig): EventLog {
  const logger = createLogger({
    level: parseLogLevel(config.logLevel),
    name: 'witan-coordinator',
    fields: { slot: config.slot },
  });
  return {
    info: (message, fields) => {
      logger.info(message, fields);
    },
    warn: (message, fields) => {
      logger.warn(message, fields);
    },
  };
}

/** Constant messages, values as fields. */
export interface EventLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}
