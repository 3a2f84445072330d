/** Structured logs and metrics. Field and metric names come from this package and nowhere else. */
export * from './errors.ts';
export * from './logger.ts';
export * from './metrics.ts';
export * from './metric-table.ts';
export * from './names.ts';
export * from './printable.ts';
