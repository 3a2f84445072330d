/** The one way in which this package refuses something: a configured log level nobody knows. */
import { CodedError, type ErrorFields } from '@witan/core';

/** Codes of this package; errors.json says what to do about each. */
export type TelemetryErrorCode = 'TELEMETRY_LEVEL_UNKNOWN';

/** Refuses a setting of the logs. */
export class TelemetryError extends CodedError<TelemetryErrorCode> {
  constructor(code: TelemetryErrorCode, message: string, fields: ErrorFields = {}) {
    super(code, message, { fields });
  }
}
