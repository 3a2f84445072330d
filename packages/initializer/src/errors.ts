/** Errors of the initializer's own: settings and files. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** What can be wrong before or after the Coordinators are asked. */
export type InitializerErrorCode =
  | 'INITIALIZER_USAGE'
  | 'INITIALIZER_INITDATA_UNREADABLE'
  | 'INITIALIZER_INITDATA_INVALID'
  | 'INITIALIZER_INITDATA_NOT_MEASURED'
  | 'INITIALIZER_OUTPUT_FAILED';

/** Names what was wrong, with the next step to take in the message. */
export class InitializerError extends CodedError<InitializerErrorCode> {
  constructor(code: InitializerErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}
