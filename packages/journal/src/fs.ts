/**
 * The file system as the journal sees it: a port, so that tests can crash it at every step.
 *
 * Assumptions about the disk beneath: a sector of 512 bytes is written whole or not at all; what
 * was synced stays; what was not synced may be lost or kept, sector by sector, in any order.
 * Failures reject with an Error whose `code` is that of the operating system ('ENOSPC').
 */

/** An open file. Offsets and sizes are in bytes. */
export interface JournalFile {
  /** Writes all of `bytes` at `offset`. Not durable before `sync`. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  truncate(byteLength: number): Promise<void>;
  /**
   * Writes all of `bytes` at `offset` and makes them durable, in one step where the system can
   * (O_DSYNC). Missing where it cannot: `write` and `sync` do the same, with a second way to the
   * disk. Its failure is that of a sync: nobody knows what is on the disk.
   */
  writeDurably?(bytes: Uint8Array, offset: number): Promise<void>;
  /** Makes contents and size durable (fdatasync, which also persists a size it needs). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Held while a journal is open. */
export interface JournalLock {
  release(): Promise<void>;
}

/** The operations that a journal needs of a file system. */
export interface JournalFs {
  /** Makes the directory, and the ones above it, unless it exists; mode 0700. */
  makeDirectory(path: string): Promise<void>;
  /** Names of the entries of a directory. */
  list(directory: string): Promise<readonly string[]>;
  /** Creates a file for writing, mode 0600; one of the same name is emptied. */
  create(path: string): Promise<JournalFile>;
  /** Opens an existing file for writing. */
  open(path: string): Promise<JournalFile>;
  /**
   * Reads a whole file.
   *
   * @returns undefined when it is longer than `bytesMax`
   */
  read(path: string, bytesMax: number): Promise<Uint8Array | undefined>;
  /** Replaces `to` if it exists. Not durable before `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /**
   * Claims a directory for this process.
   *
   * @returns undefined when a live process holds it
   */
  lock(directory: string): Promise<JournalLock | undefined>;
}
