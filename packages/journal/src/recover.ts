/**
 * Reading a journal back: the newest valid snapshot and every record behind it. Changes nothing.
 *
 * A crash leaves a torn tail in the last segment, temporary files, and files that a newer snapshot
 * has replaced; those are accepted. Everything else that does not check is refused, because
 * dropping it could drop acknowledged records (raft storage: only an unacknowledged tail may go).
 */
import { join } from 'node:path';
import { JournalError, damaged, readFailure } from './errors.ts';
import { RECORD_BYTES_MAX } from './frames.ts';
import type { JournalFs } from './fs.ts';
import { parseNames, segmentName, snapshotName, type JournalNames } from './names.ts';
import { readSegment, type SegmentContents } from './segment.ts';
import { SNAPSHOT_BYTES_MAX, readSnapshot, type SnapshotContents } from './snapshot.ts';

/** A record with what its writer said about itself when it started the segment. */
export interface RecoveredRecord {
  readonly owner: Uint8Array;
  readonly data: Uint8Array;
}

/** A snapshot that was read back. */
export interface RecoveredSnapshot {
  readonly index: number;
  readonly term: number;
  readonly owner: Uint8Array;
  readonly data: Uint8Array;
}

/** Something about the files that a crash explains; worth a log line. */
export type JournalFinding =
  | { readonly kind: 'torn-tail'; readonly path: string; readonly bytesDropped: number }
  | { readonly kind: 'temporary-file'; readonly path: string }
  | { readonly kind: 'snapshot-skipped'; readonly path: string; readonly error: JournalError };

/** What a journal held. */
export interface Recovered {
  /** The newest valid snapshot. */
  readonly snapshot: RecoveredSnapshot | undefined;
  /** Every record appended behind that snapshot, in order. */
  readonly records: readonly RecoveredRecord[];
  readonly findings: readonly JournalFinding[];
}

/** Where writing goes on. */
export interface RecoveredPlace {
  /** The last segment; undefined in an empty directory. */
  readonly last: (SegmentContents & { readonly path: string }) | undefined;
  readonly names: JournalNames;
  /** The snapshot in use, by its first segment. */
  readonly snapshotFirstSegment: number | undefined;
}

interface Chosen {
  readonly contents: SnapshotContents | undefined;
  readonly findings: readonly JournalFinding[];
}

/**
 * Reads a journal.
 *
 * @param bytesMax limit of all files read, in bytes
 * @throws JournalError JOURNAL_DAMAGED, JOURNAL_VERSION_UNKNOWN, JOURNAL_DIRECTORY_UNREADABLE,
 *   JOURNAL_RECOVERY_TOO_LARGE
 */
export async function recover(
  fs: JournalFs,
  directory: string,
  bytesMax: number,
): Promise<{ readonly recovered: Recovered; readonly place: RecoveredPlace }> {
  const names = await listNames(fs, directory);
  const reader = new BoundedReader(fs, bytesMax);
  const chosen = await chooseSnapshot(reader, directory, names);
  const snapshot = chosen.contents;
  const segments = await readSegments(reader, directory, names, snapshot).catch(
    (cause: unknown) => {
      // Where a damaged snapshot was passed over, that is the reason why segments are missing.
      const skipped = chosen.findings.find((finding) => finding.kind === 'snapshot-skipped');
      throw skipped?.error ?? cause;
    },
  );
  const last = segments.at(-1);
  const findings = [...chosen.findings];
  for (const name of names.temporary) {
    findings.push({ kind: 'temporary-file', path: join(directory, name) });
  }
  if (last?.end.kind === 'torn') {
    findings.push({ kind: 'torn-tail', path: last.path, bytesDropped: last.end.bytesDropped });
  }
  return {
    recovered: {
      snapshot: describeSnapshot(snapshot),
      records: recordsOf(snapshot, segments),
      findings,
    },
    place: { last, names, snapshotFirstSegment: snapshot?.header.firstSegment },
  };
}

/** Lists what a directory holds. @throws JournalError JOURNAL_DIRECTORY_UNREADABLE */
export async function listNames(fs: JournalFs, directory: string): Promise<JournalNames> {
  try {
    return parseNames(await fs.list(directory));
  } catch (cause) {
    throw readFailure(directory, cause);
  }
}

function describeSnapshot(contents: SnapshotContents | undefined): RecoveredSnapshot | undefined {
  if (contents === undefined) return undefined;
  const { index, term, owner } = contents.header;
  return { index, term, owner, data: contents.data };
}

function recordsOf(
  snapshot: SnapshotContents | undefined,
  segments: readonly SegmentContents[],
): readonly RecoveredRecord[] {
  const records: RecoveredRecord[] = [];
  for (const data of snapshot?.tail ?? []) {
    records.push({ owner: snapshot?.header.owner ?? new Uint8Array(0), data });
  }
  for (const segment of segments) {
    for (const data of segment.records) records.push({ owner: segment.header.owner, data });
  }
  return records;
}

/**
 * The newest snapshot that checks. An older one serves in its place only while all segments behind
 * it are there, which `readSegments` demands.
 */
async function chooseSnapshot(
  reader: BoundedReader,
  directory: string,
  names: JournalNames,
): Promise<Chosen> {
  const findings: JournalFinding[] = [];
  for (const firstSegment of names.snapshots.toReversed()) {
    const path = join(directory, snapshotName(firstSegment));
    const bytes = await reader.read(path, SNAPSHOT_BYTES_MAX * 2);
    try {
      return { contents: readSnapshot(path, bytes, firstSegment), findings };
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'JOURNAL_DAMAGED') throw error;
      findings.push({ kind: 'snapshot-skipped', path, error });
    }
  }
  return { contents: undefined, findings };
}

async function readSegments(
  reader: BoundedReader,
  directory: string,
  names: JournalNames,
  snapshot: SnapshotContents | undefined,
): Promise<readonly (SegmentContents & { readonly path: string })[]> {
  const first = snapshot?.header.firstSegment ?? 1;
  const needed = names.segments.filter((sequence) => sequence >= first);
  const nothing = names.segments.length + names.snapshots.length === 0;
  if (nothing) return [];
  if (needed.length === 0) throw missing(directory, first);
  let chain = snapshot?.header.chain ?? 0;
  const segments: (SegmentContents & { readonly path: string })[] = [];
  for (const [position, sequence] of needed.entries()) {
    const expected = first + position;
    if (sequence !== expected) throw missing(directory, expected);
    const path = join(directory, segmentName(sequence));
    const bytes = await reader.read(path, SEGMENT_FILE_BYTES_MAX);
    const contents = readSegment(path, bytes, sequence);
    if (contents.header.chain !== chain) throw damaged(path, 0, 'chain to the segment before');
    const isLast = position === needed.length - 1;
    if (!isLast && contents.end.kind !== 'ended') {
      throw damaged(path, contents.offset, 'segment breaks off, but another one follows');
    }
    chain = contents.chain;
    segments.push({ ...contents, path });
  }
  return segments;
}

function missing(directory: string, sequence: number): JournalError {
  return damaged(join(directory, segmentName(sequence)), 0, 'segment is missing');
}

/** A segment is made larger than usual only for one batch; see `BATCH_BYTES_MAX`. */
const SEGMENT_FILE_BYTES_MAX: number = 1024 * 1024 * 1024 + RECORD_BYTES_MAX;

/** Reads files until their sum is above a limit. */
class BoundedReader {
  readonly #fs: JournalFs;
  readonly #bytesMax: number;
  #bytesLeft: number;

  constructor(fs: JournalFs, bytesMax: number) {
    this.#fs = fs;
    this.#bytesMax = bytesMax;
    this.#bytesLeft = bytesMax;
  }

  async read(path: string, fileBytesMax: number): Promise<Uint8Array> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#fs.read(path, Math.min(fileBytesMax, this.#bytesLeft));
    } catch (cause) {
      throw readFailure(path, cause);
    }
    if (bytes === undefined) {
      throw new JournalError('JOURNAL_RECOVERY_TOO_LARGE', 'the journal is too large to read', {
        fields: { path, bytesMax: this.#bytesMax },
      });
    }
    this.#bytesLeft -= bytes.byteLength;
    return bytes;
  }
}
