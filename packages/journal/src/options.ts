/**
 * The journal's interface and options.
 */
import { JournalError } from './errors.ts';
import type { JournalFs } from './fs.ts';
import { nodeJournalFs } from './node-fs.ts';

/** A snapshot that replaces everything appended before it. */
export interface SnapshotToSave {
  /** Last log entry that `data` contains; the journal only keeps it as a label. */
  readonly index: number;
  readonly term: number;
  /** Sealed; at most 1 GiB. */
  readonly data: Uint8Array;
  /**
   * Records appended before this call that are still needed (log entries behind `index`). They are
   * kept with the snapshot and read back before all later records.
   */
  readonly tail: readonly Uint8Array[];
}

/**
 * An open journal. Bytes that are handed over must not change before the promise settles. After
 * JOURNAL_SYNC_FAILED, JOURNAL_WRITE_FAILED or JOURNAL_DISK_FULL from `append` or `startSegment`
 * every call rejects, and the process should end.
 */
export interface Journal {
  /**
   * Starts a segment whose header holds `owner`, opaque words about the writer (cluster id, epoch,
   * incarnation), at most 1 KiB. Needed once before the first `append`, and again when they change.
   * Before the first call, nothing in the directory is changed.
   */
  startSegment(owner: Uint8Array): Promise<void>;
  /**
   * Appends records of 1 byte to 64 MiB each, 256 MiB together, in order. Resolves when they are
   * durable. A crash before that keeps any prefix of what was not yet confirmed.
   */
  append(records: readonly Uint8Array[]): Promise<void>;
  /**
   * Saves a snapshot, then drops all segments and snapshots that it replaces. Appends go on
   * meanwhile. On JOURNAL_DISK_FULL the journal keeps what it had and stays usable.
   */
  saveSnapshot(snapshot: SnapshotToSave): Promise<void>;
  /** Waits for what is under way, ends the segment and gives up the lock. */
  close(): Promise<void>;
}

/** One group commit, for metrics. */
export interface JournalSync {
  readonly records: number;
  readonly bytes: number;
  /** From the start of the write to the confirmation of the disk. */
  readonly durationMs: number;
}

/** How to open a journal. */
export interface JournalOptions {
  /** Created when missing, mode 0700. */
  readonly directory: string;
  /**
   * Size to which a segment is preallocated, in bytes: 4 KiB to 1 GiB, default 16 MiB. Larger ones
   * are made for larger batches. Making one stalls appends while zeros are written.
   */
  readonly segmentBytesMax?: number;
  /** Bytes that may wait for the disk, default 256 MiB; beyond it, appends are refused. */
  readonly backlogBytesMax?: number;
  /** Limit of what is read when opening, in bytes, default 2 GiB. */
  readonly recoveredBytesMax?: number;
  readonly fs?: JournalFs;
  /** Called once, with the error that made the journal unusable. */
  readonly onFatal?: (error: JournalError) => void;
  /** Called after every group commit. */
  readonly onSync?: (sync: JournalSync) => void;
  /** A monotonic clock in milliseconds, only for `onSync`. */
  readonly now?: () => number;
}

/** Options with their defaults filled in. */
export type JournalSettings = Required<JournalOptions>;

const SEGMENT_BYTES_MIN = 4096;
const SEGMENT_BYTES_LIMIT: number = 1024 * 1024 * 1024;
const MIB: number = 1024 * 1024;

/** Fills in defaults. @throws JournalError JOURNAL_VALUE_SIZE */
export function settingsOf(options: JournalOptions): JournalSettings {
  const segmentBytesMax = options.segmentBytesMax ?? 16 * MIB;
  if (segmentBytesMax < SEGMENT_BYTES_MIN || segmentBytesMax > SEGMENT_BYTES_LIMIT) {
    throw new JournalError(
      'JOURNAL_VALUE_SIZE',
      'value has a size that the journal does not take',
      {
        fields: {
          what: 'segmentBytesMax',
          min: SEGMENT_BYTES_MIN,
          max: SEGMENT_BYTES_LIMIT,
          found: segmentBytesMax,
        },
      },
    );
  }
  return {
    directory: options.directory,
    segmentBytesMax,
    backlogBytesMax: options.backlogBytesMax ?? 256 * MIB,
    recoveredBytesMax: options.recoveredBytesMax ?? 2048 * MIB,
    fs: options.fs ?? nodeJournalFs,
    onFatal: options.onFatal ?? ((): void => undefined),
    onSync: options.onSync ?? ((): void => undefined),
    now: options.now ?? ((): number => performance.now()),
  };
}
