/**
 * File names in a journal's directory. Names that are not of these forms are left alone.
 */

const DIGITS = 16;
const SEGMENT = /^segment-(\d{16})\.wal$/;
const SNAPSHOT = /^snapshot-(\d{16})\.snap$/;
const TEMPORARY = /^(segment|snapshot)-\d{16}\.(wal|snap)\.tmp$/;

/** What a directory holds, each list in rising order. */
export interface JournalNames {
  /** Sequence numbers of segments. */
  readonly segments: readonly number[];
  /** First segments of snapshots. */
  readonly snapshots: readonly number[];
  /** Files that were being written when the process ended. */
  readonly temporary: readonly string[];
}

/** File name of a segment. */
export function segmentName(sequence: number): string {
  return `segment-${String(sequence).padStart(DIGITS, '0')}.wal`;
}

/** File name of a snapshot, by the first segment behind it. */
export function snapshotName(firstSegment: number): string {
  return `snapshot-${String(firstSegment).padStart(DIGITS, '0')}.snap`;
}

/** Name of a file while it is being written. */
export function temporaryName(name: string): string {
  return `${name}.tmp`;
}

/** Sorts a directory's entries. */
export function parseNames(entries: readonly string[]): JournalNames {
  return {
    segments: numbersOf(entries, SEGMENT),
    snapshots: numbersOf(entries, SNAPSHOT),
    temporary: entries.filter((entry) => TEMPORARY.test(entry)),
  };
}

function numbersOf(entries: readonly string[], form: RegExp): readonly number[] {
  const numbers = entries.flatMap((entry) => {
    const digits = form.exec(entry)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
  return numbers.sort((left, right) => left - right);
}
