/** The errors of this package; errors.json says what to do about each. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** Closed list of what can go wrong when evidence is collected. */
export type AttesterErrorCode =
  | 'ATTESTER_REPORT_DATA_SIZE'
  | 'ATTESTER_PRIVLEVEL_RANGE'
  | 'ATTESTER_NO_TSM'
  | 'ATTESTER_NO_TEE'
  | 'ATTESTER_PROVIDER_UNKNOWN'
  | 'ATTESTER_KIND_UNKNOWN'
  | 'ATTESTER_FORBIDDEN'
  | 'ATTESTER_PRIVLEVEL_REFUSED'
  | 'ATTESTER_BUSY'
  | 'ATTESTER_CONTENDED'
  | 'ATTESTER_REPORT_SIZE'
  | 'ATTESTER_REPORT_DATA_MISMATCH'
  | 'ATTESTER_BLOB_TOO_LARGE'
  | 'ATTESTER_CLEANUP_FAILED'
  | 'ATTESTER_TPM_REFUSED'
  | 'ATTESTER_TPM_MALFORMED'
  | 'ATTESTER_HCL_MALFORMED'
  | 'ATTESTER_VTPM_STALE'
  | 'ATTESTER_IMDS'
  | 'ATTESTER_ABORTED'
  | 'ATTESTER_IO';

/**
 * Evidence could not be collected. `fields.nextStep` says what the operator can do, if anything.
 */
export class AttesterError extends CodedError<AttesterErrorCode> {
  constructor(code: AttesterErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}

/** The `code` of a Node.js system error such as `EBUSY`; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
