/**
 * The errors of this package. Each code is explained in errors.json beside this package's manifest.
 */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** Codes of `JournalError`. */
export type JournalErrorCode =
  | 'JOURNAL_LOCKED'
  | 'JOURNAL_DIRECTORY_UNREADABLE'
  | 'JOURNAL_DAMAGED'
  | 'JOURNAL_VERSION_UNKNOWN'
  | 'JOURNAL_RECOVERY_TOO_LARGE'
  | 'JOURNAL_SYNC_FAILED'
  | 'JOURNAL_DISK_FULL'
  | 'JOURNAL_WRITE_FAILED'
  | 'JOURNAL_NOT_STARTED'
  | 'JOURNAL_CLOSED'
  | 'JOURNAL_BACKLOG_FULL'
  | 'JOURNAL_VALUE_SIZE';

/** Thrown by every function of this package, and the reason of every rejection. */
export class JournalError extends CodedError<JournalErrorCode> {
  constructor(code: JournalErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}

/** The `code` of an error of the operating system, such as 'ENOSPC'. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Wraps a failed file operation; a full disk keeps its own code, since its cure is another. */
export function writeFailure(operation: string, path: string, cause: unknown): JournalError {
  if (cause instanceof JournalError) return cause;
  const systemCode = systemCodeOf(cause) ?? 'unknown';
  const fields = { operation, path, systemCode };
  if (systemCode === 'ENOSPC' || systemCode === 'EDQUOT') {
    return new JournalError('JOURNAL_DISK_FULL', 'the journal disk is full', { fields, cause });
  }
  const message = 'the journal cannot be written';
  return new JournalError('JOURNAL_WRITE_FAILED', message, { fields, cause });
}

/** Wraps a failed sync, after which nobody knows what is on the disk. */
export function syncFailure(path: string, cause: unknown): JournalError {
  if (cause instanceof JournalError) return cause;
  const fields = { path, systemCode: systemCodeOf(cause) ?? 'unknown' };
  const message = 'the disk did not confirm written data; the process must end';
  return new JournalError('JOURNAL_SYNC_FAILED', message, { fields, cause });
}

/** Wraps a failed read while the journal is opened. */
export function readFailure(path: string, cause: unknown): JournalError {
  if (cause instanceof JournalError) return cause;
  const fields = { path, systemCode: systemCodeOf(cause) ?? 'unknown' };
  const message = 'the journal directory cannot be read';
  return new JournalError('JOURNAL_DIRECTORY_UNREADABLE', message, { fields, cause });
}

/** Damage that no crash explains. */
export function damaged(path: string, offset: number, check: string): JournalError {
  return new JournalError('JOURNAL_DAMAGED', 'the journal is damaged in a way no crash explains', {
    fields: { path, offset, check },
  });
}
