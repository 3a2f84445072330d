/** Turns what configfs-tsm answers into typed errors that name the next step to take. */
import { AttesterError, errnoOf, type AttesterErrorCode } from './errors.ts';

/** The step of the sequence that failed; part of the error's fields. */
export type TsmStep =
  | 'mkdir'
  | 'provider'
  | 'privlevel'
  | 'inblob'
  | 'generation'
  | 'outblob'
  | 'auxblob'
  | 'rmdir'
  | 'mrconfigid';

/**
 * Errors that pass: EBUSY when the firmware limits the rate or the item is in use, the others when
 * a wait in the kernel was cut short.
 */
const TRANSIENT: ReadonlySet<string> = new Set(['EBUSY', 'EINTR', 'EAGAIN', 'ETIMEDOUT']);

export function isTransient(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno !== undefined && TRANSIENT.has(errno);
}

const NO_TSM_NEXT =
  'run inside a confidential VM with Linux 6.7 or newer, configfs mounted on /sys/kernel/config ' +
  'and the module "tsm" (or "tsm_report") loaded';
const NO_TEE_NEXT =
  'check that this VM was started as an SEV-SNP or TDX guest and that the module "sev-guest" or ' +
  '"tdx-guest" is loaded';
const FORBIDDEN_NEXT = 'run as root in the guest, or give this user the report directory';
const PRIVLEVEL_NEXT = "ask for a level that is not below the item's privlevel_floor";

/** @param error what a file operation threw; an AttesterError passes through unchanged */
export function tsmError(step: TsmStep, path: string, error: unknown): AttesterError {
  if (error instanceof AttesterError) return error;
  const errno = errnoOf(error) ?? 'unknown';
  const make = (code: AttesterErrorCode, message: string, nextStep?: string): AttesterError =>
    new AttesterError(code, message, {
      fields: { step, path, errno, ...(nextStep === undefined ? {} : { nextStep }) },
      cause: error,
    });
  if (TRANSIENT.has(errno))
    return make('ATTESTER_BUSY', 'the TEE stayed busy through all attempts');
  if (errno === 'EACCES' || errno === 'EPERM') {
    return make('ATTESTER_FORBIDDEN', 'no permission to request evidence', FORBIDDEN_NEXT);
  }
  if (step === 'mkdir' && errno === 'ENOENT') {
    return make('ATTESTER_NO_TSM', 'this system has no configfs-tsm', NO_TSM_NEXT);
  }
  if (errno === 'ENXIO' || errno === 'ENODEV') {
    return make('ATTESTER_NO_TEE', 'the kernel knows no TEE that could give evidence', NO_TEE_NEXT);
  }
  if (step === 'privlevel' && errno === 'EINVAL') {
    return make(
      'ATTESTER_PRIVLEVEL_REFUSED',
      'the TEE refuses the privilege level',
      PRIVLEVEL_NEXT,
    );
  }
  return make('ATTESTER_IO', 'the TEE interface failed');
}
