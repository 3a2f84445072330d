/** Errors of the command line's own: what the user gave. Everything else keeps its own code. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** What can be wrong with options and files. */
export type CliErrorCode =
  | 'CLI_USAGE'
  | 'CLI_FILE_UNREADABLE'
  | 'CLI_FILE_EXISTS'
  | 'CLI_FILE_NOT_WRITTEN'
  | 'CLI_RECEIPT_REFUSED'
  | 'CLI_REFERENCE_VALUES_INVALID'
  | 'CLI_KEY_NOT_AN_OWNER'
  | 'CLI_THRESHOLD_NOT_MET'
  | 'CLI_APPROVAL_UNREADABLE'
  | 'CLI_LOCKS_OWNERS_OUT'
  | 'CLI_PREPARED_STALE'
  | 'CLI_PROPOSAL_UNKNOWN'
  | 'CLI_SIGNATURE_INVALID'
  | 'CLI_NO_ENDPOINT'
  | 'CLI_NOTHING_TO_TRUST'
  | 'CLI_CLUSTER_UNKNOWN'
  | 'CLI_SECRET_UNKNOWN'
  | 'CLI_SEED_COMMITMENT_DIFFERS'
  | 'CLI_SEED_NOT_PREPARED'
  | 'CLI_SLOT_UNKNOWN'
  | 'CLI_SLOTS_PENDING'
  | 'CLI_FLOOR_UNKNOWN'
  | 'CLI_RECOVERY_WAITING'
  | 'CLI_STOP_UNSAFE'
  | 'CLI_TRANSITION_STALE'
  | 'CLI_ENDORSEMENTS_INCOMPLETE'
  | 'CLI_NO_SHARES'
  | 'CLI_NOT_A_SHARE_OWNER'
  | 'CLI_SHARE_MISMATCH'
  | 'CLI_VERIFICATION_FAILED';

/** Names what was wrong, what was expected and what was found. */
export class CliError extends CodedError<CliErrorCode> {
  constructor(code: CliErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}
