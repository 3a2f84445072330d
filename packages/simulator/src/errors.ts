/** Errors of the simulator. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** What a simulation or a checker reports. */
export type SimulatorErrorCode =
  | 'SIMULATOR_HISTORY_MALFORMED'
  | 'SIMULATOR_INVARIANT_VIOLATED'
  | 'SIMULATOR_NOT_LIVE'
  | 'SIMULATOR_ARGUMENT_INVALID'
  | 'SIMULATOR_WORKER_ENDED';

/** What was wrong with a run, or with how it was asked for. */
export class SimulatorError extends CodedError<SimulatorErrorCode> {
  constructor(code: SimulatorErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}
