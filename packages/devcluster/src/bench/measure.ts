/** Numbers over several runs: medians, and how they are shown. */

/** One measured quantity. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better. */
  readonly better: 'higher' | 'lower';
  /** One value a run. */
  readonly runs: readonly number[];
  readonly median: number;
  /** Absent: no target is stated. */
  readonly target?: number;
  /** Absent without a target. */
  readonly met?: boolean;
}

/** The middle of a list; the mean of the two middles of an even one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Makes a figure and judges it by its target, where there is one. */
export function figure(
  name: string,
  unit: string,
  better: Figure['better'],
  runs: readonly number[],
  target?: number,
): Figure {
  const value = median(runs);
  const base = { name, unit, better, runs, median: value };
  if (target === undefined) return base;
  return { ...base, target, met: better === 'higher' ? value >= target : value <= target };
}

/** A table for people. */
export function describeFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, median: value, runs, target, met }) => {
    const shown = `${round(value)} ${unit}`.padStart(16);
    const spread = `${round(Math.min(...runs))} to ${round(Math.max(...runs))}`.padStart(18);
    const goal = target === undefined ? 'none stated' : `${target} ${unit}`;
    const verdict = met === false ? '  MISSED' : '';
    return `${name.padEnd(44)}${shown}${spread}   target: ${goal}${verdict}`;
  });
  return `${'median and range of the runs'.padEnd(44)}\n${rows.join('\n')}\n`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
