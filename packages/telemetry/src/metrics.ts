/**
 * Metrics of one process, in memory. Counters start at zero with every incarnation and are never
 * read back from disk. No labels: what would be a label of unbounded range goes to the log.
 */
import { assert } from '@witan/core';
import {
  METRICS,
  type CounterName,
  type GaugeName,
  type MetricName,
  type MetricRow,
} from './metric-table.ts';

const PREFIX = 'witan_';

const rows: Readonly<Record<string, MetricRow>> = METRICS;

function rowOf(name: string): MetricRow | undefined {
  return Object.hasOwn(rows, name) ? rows[name] : undefined;
}

/** Counters and gauges of the table; nothing else can be recorded. */
export class Metrics {
  readonly #values = new Map<MetricName, number>();

  /** @param by a whole number from 0 */
  count(name: CounterName, by: number = 1): void {
    assert(rowOf(name)?.kind === 'counter', 'a counted metric is a counter of the table');
    assert(Number.isSafeInteger(by) && by >= 0, 'a counter grows by a whole number');
    const sum = (this.#values.get(name) ?? 0) + by;
    this.#values.set(name, Math.min(sum, Number.MAX_SAFE_INTEGER));
  }

  /** @param value a whole number from 0 */
  set(name: GaugeName, value: number): void {
    assert(rowOf(name)?.kind === 'gauge', 'a metric that is set is a gauge of the table');
    assert(Number.isSafeInteger(value) && value >= 0, 'a gauge holds a whole number');
    this.#values.set(name, value);
  }

  /** All counters, zero or not, and the gauges that were set; sorted by name. */
  snapshot(): Readonly<Record<string, number>> {
    const values: Record<string, number> = {};
    for (const [name, row] of Object.entries(rows)) {
      const value = this.#values.get(name as MetricName);
      if (value !== undefined) values[name] = value;
      else if (row.kind === 'counter') values[name] = 0;
    }
    return values;
  }

  /** The snapshot in the Prometheus text exposition format, version 0.0.4. */
  exposition(): string {
    const lines: string[] = [];
    for (const [name, value] of Object.entries(this.snapshot())) {
      const row = rowOf(name);
      if (row === undefined) continue;
      const outside = exposedName(name, row);
      lines.push(`# HELP ${outside} ${row.help}`, `# TYPE ${outside} ${row.kind}`);
      lines.push(`${outside} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

/** Name of a metric outside the process. */
export function exposedName(name: string, row: MetricRow): string {
  return `${PREFIX}${name}${row.kind === 'counter' ? '_total' : ''}`;
}
