/** Errors of development clusters. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** What can go wrong with a development cluster. */
export type DevClusterErrorCode =
  | 'DEVCLUSTER_DRILL_FAILED'
  | 'DEVCLUSTER_EXISTS'
  | 'DEVCLUSTER_INTERRUPTED'
  | 'DEVCLUSTER_NOT_RUNNING'
  | 'DEVCLUSTER_START_FAILED'
  | 'DEVCLUSTER_SLOT_UNKNOWN'
  | 'DEVCLUSTER_STATE_UNREADABLE'
  | 'DEVCLUSTER_STEP_FAILED'
  | 'DEVCLUSTER_TEE_UNKNOWN';

/** Says what did not happen, what was expected and what was found. */
export class DevClusterError extends CodedError<DevClusterErrorCode> {
  constructor(code: DevClusterErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}
