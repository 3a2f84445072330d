/** The errors of this package. A refused command is no error, but a result (see results.ts). */
import { CodedError, type ErrorFields } from '@witan/core';

/** Stable names of what can be wrong; errors.json says what to do about each. */
export type StateMachineErrorCode =
  | 'COMMAND_MALFORMED'
  | 'MEMBER_MALFORMED'
  | 'RECOVERY_MISFIT'
  | 'REQUEST_KEY_MALFORMED'
  | 'SNAPSHOT_MALFORMED'
  | 'SNAPSHOT_TOO_LARGE'
  | 'SNAPSHOT_VERSION_UNKNOWN'
  | 'STATE_VERSION_UNKNOWN';

const MESSAGES: Readonly<Record<StateMachineErrorCode, string>> = {
  COMMAND_MALFORMED: 'bytes are not the canonical encoding of a command',
  MEMBER_MALFORMED: 'bytes are not the canonical encoding of a member',
  RECOVERY_MISFIT: 'recovery was made for another state or other members',
  REQUEST_KEY_MALFORMED: 'request key has not the required form',
  SNAPSHOT_MALFORMED: 'bytes are not the canonical encoding of a state',
  SNAPSHOT_TOO_LARGE: 'snapshot is larger than the limit in bytes',
  SNAPSHOT_VERSION_UNKNOWN: 'snapshot has a version that this code does not know',
  STATE_VERSION_UNKNOWN: 'the cluster uses a state version that this build does not apply',
};

/** Bytes from outside that are refused. */
export class StateMachineError extends CodedError<StateMachineErrorCode> {
  constructor(code: StateMachineErrorCode, fields: ErrorFields, cause?: unknown) {
    super(code, MESSAGES[code], { fields, cause });
  }
}
