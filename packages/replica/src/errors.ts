/** Errors of the replica driver. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** What the driver cannot do. */
export type ReplicaErrorCode =
  | 'REPLICA_NOT_LEADER'
  | 'REPLICA_NO_LEADER'
  | 'REPLICA_BUSY'
  | 'REPLICA_OUTCOME_UNKNOWN'
  | 'REPLICA_TIMED_OUT'
  | 'REPLICA_STOPPED'
  | 'REPLICA_MEMBERSHIP_REFUSED'
  | 'REPLICA_NO_CLUSTER'
  | 'REPLICA_NO_SUCCESSOR'
  | 'REPLICA_NOT_RECOVERING'
  | 'REPLICA_RECORDS_UNREADABLE'
  | 'REPLICA_SEED_MISSING'
  | 'REPLICA_SEEDS_MALFORMED';

/** What the driver could not do, and what is known about it. */
export class ReplicaError extends CodedError<ReplicaErrorCode> {
  constructor(code: ReplicaErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}

export function stopped(): ReplicaError {
  return new ReplicaError('REPLICA_STOPPED', 'this replica is stopping');
}
