/** Writes that the state machine did not carry out, as answers to whoever asked for them. */
import type { CommandResult } from '@witan/state-machine';
import { PublicError } from '@witan/transport';

/** @param result of a write that was not accepted */
export function refusalOf(result: CommandResult): PublicError {
  switch (result.kind) {
    case 'conflict': {
      const fields = { expected: result.expected, found: result.found };
      const message = 'the update does not build on the newest transition';
      return new PublicError('ABORTED', 'CONFLICT', message, fields);
    }
    case 'refused': {
      const { code, path, expected, found } = result;
      const message = 'the update is not allowed';
      return new PublicError('PERMISSION_DENIED', code, message, { path, expected, found });
    }
    case 'key-reused':
      return new PublicError(
        'ALREADY_EXISTS',
        'REQUEST_KEY_REUSED',
        'the request key belongs to another request',
      );
    default:
      return new PublicError('INTERNAL', 'UNEXPECTED_RESULT', 'the write had an odd outcome', {
        kind: result.kind,
      });
  }
}
