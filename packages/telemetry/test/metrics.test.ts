import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FIELDS, METRICS, Metrics, exposedName, type CounterName } from '@witan/telemetry';
import { describe, expect, it } from 'vitest';

describe('metrics', () => {
  it('start at zero for counters and absent for gauges', () => {
    const snapshot = new Metrics().snapshot();
    expect(snapshot['journal_syncs']).toBe(0);
    expect('term' in snapshot).toBe(false);
  });

  it('add up counters and keep the last value of a gauge', () => {
    const metrics = new Metrics();
    metrics.count('journal_bytes', 10);
    metrics.count('journal_bytes', 5);
    metrics.set('term', 3);
    metrics.set('term', 4);
    expect(metrics.snapshot()).toMatchObject({ journal_bytes: 15, term: 4 });
  });

  it('stay within whole numbers however much is counted', () => {
    const metrics = new Metrics();
    metrics.count('journal_bytes', Number.MAX_SAFE_INTEGER);
    metrics.count('journal_bytes', Number.MAX_SAFE_INTEGER);
    expect(metrics.snapshot()['journal_bytes']).toBe(Number.MAX_SAFE_INTEGER);
  });

  it.each(['term', 'no_such_metric', 'toString', '__proto__'])('refuse to count %s', (name) => {
    expect(() => {
      new Metrics().count(name as CounterName);
    }).toThrow('invariant violated');
  });

  it.each([-1, 0.5, Number.NaN])('refuse to grow by %d', (by) => {
    expect(() => {
      new Metrics().count('journal_syncs', by);
    }).toThrow('invariant violated');
  });

  it('are exposed as Prometheus text', () => {
    const metrics = new Metrics();
    metrics.count('journal_syncs', 2);
    metrics.set('term', 7);
    const text = metrics.exposition();
    expect(text).toContain(
      '# TYPE witan_journal_syncs_total counter\nwitan_journal_syncs_total 2\n',
    );
    expect(text).toContain('# TYPE witan_term gauge\nwitan_term 7\n');
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) witan_[a-z_]+ .+|witan_[a-z_]+ \d+)$/);
    }
  });
});

describe('docs/telemetry.md', () => {
  const path = join(import.meta.dirname, '../../../docs/telemetry.md');
  const rows = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
    .map((cells) => cells.slice(1, -1).join(' | '));

  it('lists every metric and every log field, and no other', () => {
    const metrics = Object.entries(METRICS).map(
      ([name, row]) => `${exposedName(name, row)} | ${row.kind} | ${row.help}`,
    );
    const fields = Object.entries(FIELDS).map(([name, meaning]) => `${name} | ${meaning}`);
    expect(rows).toEqual([...metrics, ...fields]);
  });
});
