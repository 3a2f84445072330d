/** The figures for people. */
import type { Interruption } from './interruptions.ts';
import { median, percentile, shown } from './numbers.ts';
import type { Measured, Verdict } from './targets.ts';

/** A few tables. */
export function describe(measured: Measured, verdicts: readonly Verdict[]): string {
  const lines = [...loadTable(measured), ...interruptionTable(measured)];
  const { durability, snapshot, soak } = measured;
  if (durability !== undefined) {
    const { acknowledged, lost } = durability;
    lines.push(`all replicas killed: ${acknowledged} writes acknowledged, ${lost.length} lost`, '');
  }
  if (snapshot !== undefined) {
    const { stateMib, caughtUpMs, longestGapMs, writes } = snapshot;
    lines.push(
      `snapshot of ${stateMib} MiB: caught up after ${shown(caughtUpMs)} ms; meanwhile ` +
        `${writes} writes, longest gap ${shown(longestGapMs)} ms`,
      '',
    );
  }
  if (soak !== undefined) {
    const { minutes, perSecond, failed } = soak;
    lines.push(`soak of ${minutes} minutes: ${shown(perSecond)} writes/s, ${failed} failed`, '');
  }
  lines.push('figure                                              value    target');
  for (const { name, value, unit, target, better, met } of verdicts) {
    const goal = `${better === 'higher' ? 'at least' : 'at most'} ${target} ${unit}`.trimEnd();
    const figure = `${shown(value)} ${unit}`.trimEnd().padStart(12);
    lines.push(`${name.padEnd(44)} ${figure}    ${goal}${met ? '' : '  MISSED'}`);
  }
  return `${lines.join('\n')}\n`;
}

function loadTable({ cells }: Measured): readonly string[] {
  if (cells.length === 0) return [];
  const lines = ['clients  system     writes/s    p50 ms    p99 ms   failed   writes/s, runs'];
  for (const cell of cells.toSorted((a, b) => a.clients - b.clients)) {
    const all = cell.runs.map(({ perSecond }) => perSecond);
    lines.push(
      [
        String(cell.clients).padStart(7),
        `  ${cell.system.padEnd(7)}`,
        shown(cell.perSecond).padStart(11),
        shown(cell.p50Ms).padStart(10),
        shown(cell.p99Ms).padStart(10),
        String(cell.failed).padStart(9),
        `   ${shown(Math.min(...all))} to ${shown(Math.max(...all))}`,
      ].join(''),
    );
  }
  return [...lines, ''];
}

function interruptionTable({ kills, transfers }: Measured): readonly string[] {
  const lines: string[] = [];
  const row = (what: string, name: string, all: readonly Interruption[] | undefined): void => {
    if (all === undefined || all.length === 0) return;
    const gaps = all.map(({ gapMs }) => gapMs);
    const repeated = all.reduce((sum, one) => sum + one.repeated, 0);
    lines.push(
      [
        what.padEnd(18),
        name.padEnd(7),
        String(all.length).padStart(6),
        shown(median(gaps)).padStart(12),
        shown(percentile(gaps, 0.99)).padStart(9),
        String(repeated).padStart(20),
      ].join(''),
    );
  };
  for (const name of ['witan', 'etcd'] as const) row('leader killed', name, kills[name]);
  for (const name of ['witan', 'etcd'] as const) row('planned transfer', name, transfers[name]);
  if (lines.length === 0) return [];
  const head = 'interruption      system  times   median ms   p99 ms   repeated attempts';
  return [head, ...lines, ''];
}
