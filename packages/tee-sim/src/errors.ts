/** The errors of this package; errors.json says what to do about each. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** Every code, so that an answer from the daemon can be recognised as one of them. */
export const TEE_SIM_ERROR_CODES = [
  'TEESIM_USAGE',
  'TEESIM_ALREADY_RUNNING',
  'TEESIM_NOT_RUNNING',
  'TEESIM_DIRECTORY_UNSAFE',
  'TEESIM_PATH_TOO_LONG',
  'TEESIM_STATE_CORRUPT',
  'TEESIM_PRODUCT_MISMATCH',
  'TEESIM_REQUEST_MALFORMED',
  'TEESIM_REQUEST_TOO_LARGE',
  'TEESIM_ANSWER_MALFORMED',
  'TEESIM_LIMIT',
  'TEESIM_PROGRAM_UNKNOWN',
  'TEESIM_PROGRAM_INVALID',
  'TEESIM_PROGRAM_UNREADABLE',
  'TEESIM_ENV_REFUSED',
  'TEESIM_OVERRIDE_REFUSED',
  'TEESIM_SIGNAL_REFUSED',
  'TEESIM_LAUNCH_FAILED',
  'TEESIM_GUEST_UNKNOWN',
  'TEESIM_GUEST_EXITED',
  'TEESIM_STOPPING',
  'TEESIM_DISCONNECTED',
  'TEESIM_NO_HARDWARE',
  'TEESIM_INTERNAL',
] as const;

/** Closed list of what the simulated hardware, its client and its guests report. */
export type TeeSimErrorCode = (typeof TEE_SIM_ERROR_CODES)[number];

/** An operating error of the simulated hardware. */
export class TeeSimError extends CodedError<TeeSimErrorCode> {
  constructor(code: TeeSimErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}
