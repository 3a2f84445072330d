/** Numbers over several runs. */

/** The middle of a list; the mean of the two middles of an even one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** @param part 0 to 1 @returns NaN for an empty list */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** Three digits that count. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
